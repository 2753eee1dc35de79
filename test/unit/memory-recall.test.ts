import { expect, test } from 'vitest'
import { estimateTokens } from '#sdk/messages.ts'
import type { RecallRequest } from '#sdk/services/memory.ts'
import { recall } from '../../services/memory/recall.ts'
import { embedded, memoryNow, memorySettings, memoryStore, openVectors, remember } from '../support/retrieval-scene.ts'

async function scene(fill: (store: ReturnType<typeof memoryStore>['store']) => void) {
  const stored = memoryStore()
  fill(stored.store)
  const { vectors } = await openVectors(stored)
  await embedded(vectors, (stored.db.prepare('SELECT count(*) AS n FROM memories').get() as { n: number }).n)
  return (request: Partial<RecallRequest> = {}, budget_pct: Record<string, number> = memorySettings.budget_pct) =>
    recall(
      {
        ...{ agent_id: 'keel', scope_key: null, session_id: 'now', text: 'What about the zeppelin?', now: memoryNow },
        ...{ budget_tokens: 1_000, shown_message_ids: [] },
        ...request,
      },
      {
        db: stored.db,
        vectors,
        settings: { ...memorySettings, budget_pct: { ...memorySettings.budget_pct, ...budget_pct } },
        signal: AbortSignal.timeout(15_000),
      },
    )
}

const texts = ({ entries }: Awaited<ReturnType<typeof recall>>) => entries.map(({ content }) => content)

test('this session’s goals come first, then its decisions and notes; another’s working memory stays its own', async () => {
  const ask = await scene((store) => {
    const working = (category: string, content: string, session_id = 'now') =>
      remember(store, { tier: 'working', category, content, session_id })
    working('note', 'the hangar is cold')
    working('decision', 'we use helium')
    working('goal', 'get the licence')
    working('turn_summary', 'talked about the zeppelin')
    working('goal', 'sell the zeppelin', 'another')
    remember(store, { content: 'The zeppelin was built in 1931', session_id: 'before' })
  })
  expect(texts(await ask())).toEqual([
    'get the licence',
    'we use helium',
    'the hangar is cold',
    'The zeppelin was built in 1931',
  ])
})

test('a tier keeps to its share, and what another has no use for is passed on', async () => {
  const ask = await scene((store) => {
    for (let n = 0; n < 12; n++) {
      remember(store, { content: `zeppelin ${n} ${String.fromCharCode(97 + n).repeat(60)}`, session_id: `s${n}` })
    }
    for (let n = 0; n < 12; n++) {
      const content = `zeppelin fact ${n} ${String.fromCharCode(97 + n).repeat(60)}`
      remember(store, { tier: 'semantic', category: 'facts', key: `k${n}`, content, session_id: null })
    }
  })
  const tokens = ({ entries }: Awaited<ReturnType<typeof recall>>, tier: string) =>
    entries.filter((entry) => entry.tier === tier).reduce((sum, entry) => sum + entry.tokens, 0)
  const both = { working: 0, episodic: 50, semantic: 50, procedural: 0, relationship: 0 }
  const even = await ask({ budget_tokens: 200 }, both)
  expect(tokens(even, 'episodic')).toBeGreaterThan(60)
  expect(tokens(even, 'semantic')).toBeGreaterThan(60)
  const unused = { working: 50, episodic: 25, semantic: 25, procedural: 0, relationship: 0 }
  const passedOn = await ask({ budget_tokens: 200 }, unused)
  const spent = passedOn.entries.reduce((sum, entry) => sum + entry.tokens, 0)
  expect(spent).toBeGreaterThan(160)
  for (const { entries, left_out } of [even, passedOn]) {
    expect(entries.reduce((sum, entry) => sum + entry.tokens, 0)).toBeLessThanOrEqual(200)
    expect(left_out.map(({ reason }) => reason)).toContain('tier_budget')
    for (const { key, content, tokens: counted } of entries) {
      expect(counted).toBe(estimateTokens(key === null ? content : `${key}: ${content}`))
    }
  }
  const none = await ask({ budget_tokens: 0 })
  expect(none.entries).toEqual([])
  expect(none.left_out).toHaveLength(24)
})

test('what is shown anyway is left out, and so is what says the same again', async () => {
  const ask = await scene((store) => {
    remember(store, { id: 'shown', content: 'The zeppelin leaves on Monday', message_id: 'm1', session_id: 'a' })
    remember(store, { id: 'first', content: 'The zeppelin carries forty people', message_id: 'm2', session_id: 'b' })
    remember(store, { id: 'again', content: 'the zeppelin carries FORTY people!', session_id: 'c' })
  })
  const { entries, left_out } = await ask({ shown_message_ids: ['m1'] })
  expect(entries).toHaveLength(1)
  expect(left_out.map(({ reason }) => reason).sort()).toEqual(['duplicate', 'shown'])
  expect(left_out.find(({ reason }) => reason === 'shown')?.id).toBe('shown')
})

test('people who are named are remembered, others are not; tools are, by use', async () => {
  const ask = await scene((store) => {
    const person = (key: string, name: string) =>
      remember(store, { tier: 'relationship', category: 'person', key, name, content: `friend of ${key}` })
    person('u1', 'Ferdinand Graf')
    person('u2', 'Hugo')
    const tool = (key: string, successes: number) =>
      remember(store, { tier: 'procedural', category: 'tool', key, content: `how ${key} did`, successes })
    for (let n = 0; n < 8; n++) tool(`tool-${n}`, n)
  })
  const { entries } = await ask({ text: 'Has Graf, Ferdinand called?' })
  expect(entries.filter(({ tier }) => tier === 'relationship').map(({ name }) => name)).toEqual(['Ferdinand Graf'])
  expect(entries.filter(({ tier }) => tier === 'procedural').map(({ key }) => key)).toEqual([
    'tool-7',
    'tool-6',
    'tool-5',
    'tool-4',
    'tool-3',
  ])
})

test('a stranger is reminded of their own conversations alone, and nothing asked brings nothing up', async () => {
  const ask = await scene((store) => {
    remember(store, { content: 'The zeppelin’s safe opens with 4711', session_id: 'a' })
    remember(store, { content: 'I asked about the zeppelin', scope_key: 'guest', source: 'stranger', trusted: false })
  })
  expect(texts(await ask({ scope_key: 'guest' }))).toEqual(['I asked about the zeppelin'])
  expect((await ask({ scope_key: 'guest' })).entries[0]).toMatchObject({ trusted: false, source: 'stranger' })
  expect(texts(await ask({ text: '  ' }))).toEqual([])
})
