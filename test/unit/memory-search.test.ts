import { expect, test } from 'vitest'
import { embedded, found, memoryStore, openVectors, remember, searchFor } from '../support/retrieval-scene.ts'

test('filters hold, also where few of the best may be shown', async () => {
  const scene = memoryStore()
  for (let n = 0; n < 400; n++) remember(scene.store, { content: `zeppelin ride ${n}`, session_id: `many-${n % 9}` })
  remember(scene.store, { content: 'a note on the zeppelin, among much else that was said', session_id: 'few' })
  remember(scene.store, { content: 'zeppelin, and so on, of another', scope_key: 'guest', session_id: 'guest-1' })
  remember(scene.store, { content: 'zeppelin', agent_id: 'another', session_id: 'another-1' })
  remember(scene.store, { content: 'owns a zeppelin', tier: 'semantic', category: 'possessions', key: 'airship' })
  const { vectors } = await openVectors(scene)
  await embedded(vectors, 404)
  for (const mode of ['text', 'vector', 'fused'] as const) {
    const ask = (query: object) => found(scene.db, vectors, 'zeppelin', { mode, ...query })
    expect(await ask({ session_id: 'few' })).toEqual(['a note on the zeppelin, among much else that was said'])
    expect(await ask({ scope_key: 'guest' })).toEqual(['zeppelin, and so on, of another'])
    expect(await ask({ agent_id: 'another' })).toEqual(['zeppelin'])
    expect(await ask({ tiers: ['semantic'] })).toEqual(['owns a zeppelin'])
    expect(await ask({ category: 'possessions' })).toEqual(['owns a zeppelin'])
    expect(await ask({ tiers: ['semantic'], category: 'preferences' })).toEqual([])
    expect(await ask({ session_id: 'few', scope_key: 'guest' })).toEqual([])
    expect(await ask({ tiers: ['episodic'], limit: 100 })).toHaveLength(100)
  }
})

test('what was superseded or dropped is not found', async () => {
  const scene = memoryStore()
  const old = remember(scene.store, { content: 'lives in Lisbon, near the river' })
  remember(scene.store, { content: 'lives in Lisbon' })
  scene.store.write.prepare("UPDATE memories SET state = 'superseded' WHERE seq = ?").run(old)
  const { vectors } = await openVectors(scene)
  await embedded(vectors, 1)
  expect(await found(scene.db, vectors, 'Lisbon river')).toEqual(['lives in Lisbon'])
})

test('each score is a share, and says by which way an entry was found', async () => {
  const scene = memoryStore()
  remember(scene.store, { content: 'The pediatrician has an opening on Tuesday', importance: 8 })
  remember(scene.store, {
    content: 'Paediatricians are scarce',
    session_id: 'session-2',
    at: '2025-01-01T00:00:00.000Z',
  })
  remember(scene.store, { content: 'Lunch was good', session_id: 'session-3' })
  const { vectors } = await openVectors(scene)
  await embedded(vectors, 3)
  const { matches, trace } = await searchFor(scene.db, vectors, 'pediatrician?')
  const [first, second] = matches
  expect(first?.scores).toMatchObject({ text: 1, context: null, recency: 1, importance: 0.8 })
  expect(second?.scores).toMatchObject({ text: null, recency: 0.05, importance: 0.5 })
  expect(second?.scores.vector).toBeGreaterThan(0)
  for (const { scores } of matches) {
    for (const score of Object.values(scores)) {
      if (score !== null) expect(score >= 0 && score <= 1).toBe(true)
    }
  }
  expect(trace).toMatchObject({ embedding_model: 'keel/lexical-384', vector_note: null, left_out_words: [] })
})

test('of two that say the same, the newer comes first', async () => {
  const scene = memoryStore()
  remember(scene.store, { content: 'The gate code is 4711', session_id: 'a', at: '2026-02-28T00:00:00.000Z' })
  remember(scene.store, { content: 'The gate code is 4712', session_id: 'b', at: '2025-02-28T00:00:00.000Z' })
  const { vectors } = await openVectors(scene)
  await embedded(vectors, 2)
  expect((await found(scene.db, vectors, 'gate code'))[0]).toBe('The gate code is 4711')
})
