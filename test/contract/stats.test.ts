import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let keel: Daemon
let upstream: Upstream

beforeAll(async () => {
  upstream = await startUpstream({ text: 'An answer.' })
  keel = await startDaemon({ config: upstreamConfig(upstream.url, '[cache]\nenabled = false\n') })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

test('a fresh server has spent and kept nothing', async () => {
  expect(await keel.client.stats.listCosts({})).toMatchObject({
    costs: [],
    summary: { total_cost: 0, total_tokens_in: 0, total_tokens_out: 0, requests: 0, window_hours: null },
    total: 0,
  })
  expect(await keel.client.stats.getCacheStats()).toEqual({
    hits: 0,
    misses: 0,
    entries: 0,
    hit_rate: 0,
    hit_rate_percent: 0,
    cached_entries: 0,
    tokens_saved: 0,
    enabled: false,
    by_level: { exact: 0, semantic: 0, tool_ttl: 0 },
  })
})

test('costs are listed from the newest, in windows, and the sum is over all of them', async () => {
  // A session with a name of its own: no model is asked for one.
  const { id: session_id } = await keel.client.sessions.createSession({ body: { nickname: 'Costs' } })
  const turns: string[] = []
  for (const content of ['one', 'two', 'three'])
    turns.unshift((await keel.client.agent.sendMessage({ body: { content, session_id } })).turn_id)
  await eventually('three rows', async () => (await keel.client.stats.listCosts({})).total === 3)
  const turnsOf = async (query: object) =>
    (await keel.client.stats.listCosts({ query })).costs.map(({ turn_id }) => turn_id)
  expect(await turnsOf({})).toEqual(turns)
  expect(await turnsOf({ limit: 2 })).toEqual(turns.slice(0, 2))
  expect(await turnsOf({ limit: 2, offset: 2 })).toEqual(turns.slice(2))
  const { summary, total } = await keel.client.stats.listCosts({ query: { limit: 1 } })
  expect({ total, requests: summary.requests, tokens: summary.total_tokens_in }).toEqual({
    total: 3,
    requests: 3,
    tokens: 33,
  })
})

test('what a call used counts against its provider', async () => {
  const { providers } = await keel.client.stats.getCapacity()
  expect(providers.mock).toMatchObject({ requests_used: 3, tokens_used: 54, token_utilization: 0, headroom: 1 })
})

test('each list says in a header how many there are', async () => {
  const { sessions } = await keel.client.sessions.listSessions({})
  for (const [path, total] of [
    ['/api/sessions?limit=1', '1'],
    [`/api/sessions/${sessions[0]?.id}/messages?limit=1`, '6'],
    ['/api/stats/costs?limit=1', '3'],
  ] as const) {
    expect((await keel.fetch(path)).headers.get('x-total-count'), path).toBe(total)
  }
})
