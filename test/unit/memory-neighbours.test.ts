import { expect, test } from 'vitest'
import { Neighbours } from '../../services/memory/neighbours.ts'
import { readPlaces } from '../../services/memory/places.ts'
import { embedded, found, memoryStore, openVectors, remember, searchFor } from '../support/retrieval-scene.ts'

const filter = { agent_id: 'keel', scope_key: null, tiers: [], category: null, session_id: null }

test('what is found lends to those beside it, less to those further off, and to nobody elsewhere', () => {
  const { store, db } = memoryStore()
  const [first, second, hit, fourth] = ['one', 'two', 'three', 'four'].map((content) => remember(store, { content }))
  const elsewhere = remember(store, { content: 'five', session_id: 'session-2' })
  const otherTier = remember(store, { content: 'six', tier: 'semantic', key: 'six' })
  const seqs = [first, second, hit, fourth, elsewhere, otherTier].map((seq) => seq ?? 0)
  const lent = new Neighbours(db).lent([{ seq: hit ?? 0, score: 1 }], readPlaces(db, seqs, filter))
  expect(Object.fromEntries(lent)).toEqual({ [second ?? 0]: 0.6, [fourth ?? 0]: 0.6, [first ?? 0]: 0.4 })
})

test('a dropped entry is not in between, and an entry of no session has nobody beside it', () => {
  const { store, db } = memoryStore()
  const before = remember(store, { content: 'before' })
  const dropped = remember(store, { content: 'dropped' })
  const hit = remember(store, { content: 'hit' })
  const alone = remember(store, { content: 'alone', session_id: null })
  store.write.prepare("UPDATE memories SET state = 'dropped' WHERE seq = ?").run(dropped)
  const places = readPlaces(db, [before, hit, alone], filter)
  expect([...new Neighbours(db).lent([{ seq: hit, score: 2 }], places)]).toEqual([[before, 1.2]])
  expect(new Neighbours(db).lent([{ seq: alone, score: 1 }], places).size).toBe(0)
})

test('an answer is found by the words of its question', async () => {
  const scene = memoryStore()
  const talk = [
    'Hello there, lovely weather',
    'What did you make at the pottery workshop?',
    'A teapot with a crooked handle',
    'Anyway, I must run',
  ]
  for (const content of talk) remember(scene.store, { content })
  for (let n = 0; n < 30; n++) remember(scene.store, { content: `Some talk of day ${n}`, session_id: `other-${n}` })
  const { vectors } = await openVectors(scene)
  await embedded(vectors, 34)
  const { matches } = await searchFor(scene.db, vectors, 'pottery workshop?')
  expect(matches.slice(0, 3).map(({ content }) => content)).toContain('A teapot with a crooked handle')
  const answer = matches.find(({ content }) => content.startsWith('A teapot'))
  expect(answer?.scores.text).toBeNull()
  expect(answer?.scores.context).toBeGreaterThan(0)
  expect(await found(scene.db, vectors, 'pottery workshop?', { mode: 'text' })).toEqual([talk[1]])
})

test('what somebody said comes before what was said to them', async () => {
  const scene = memoryStore()
  remember(scene.store, { name: 'Ben', content: 'So, Ada, the marathon. And how was it?', session_id: 's1' })
  remember(scene.store, { name: 'Ada', content: 'I ran the marathon on one shoe, no joke.', session_id: 's2' })
  for (let n = 0; n < 20; n++)
    remember(scene.store, { name: n % 2 ? 'Ada' : 'Ben', content: `chat ${n}`, session_id: `x${n}` })
  const { vectors } = await openVectors(scene)
  await embedded(vectors, 22)
  const [first] = await found(scene.db, vectors, 'How did Ada do at the marathon?')
  expect(first).toContain('one shoe')
})
