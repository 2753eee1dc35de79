import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { efficiency } from '#sdk/contracts/efficiency.ts'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let keel: Daemon
let upstream: Upstream
const turns: string[] = []
const startedAt = new Date().toISOString()

beforeAll(async () => {
  upstream = await startUpstream({ text: 'An answer that ends properly.' })
  const other = `[providers.other]\nurl = "${upstream.url}"\nformat = "openai"\nis_local = true\nmodels = ["m"]\n[cache]\nenabled = true\n`
  const config = upstreamConfig(upstream.url, other)
    .replace('mode = "primary"', 'mode = "metascore"')
    .replace('primary = "mock/test-model"', 'primary = "mock/test-model"\nfallbacks = ["other/m"]')
  keel = await startDaemon({ config })
  // The cache answers the second.
  for (const content of ['How many legs has a crab?', 'How many legs has a crab?', 'Is a spider one?'])
    await say(content)
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

/** In a session of its own; returns the model that answered. */
async function say(content: string): Promise<string> {
  // With a name of its own: no model is asked for one.
  const { id: session_id } = await keel.client.sessions.createSession({ body: { nickname: 'Statistics' } })
  const answer = await keel.client.agent.sendMessage({ body: { content, session_id } })
  turns.push(answer.turn_id)
  return answer.model ?? ''
}

const grade = (turn: number, value: number) =>
  keel.client.feedback.createTurnFeedback({ params: { id: turns[turn] ?? '' }, body: { grade: value } })
const profileOf = async (name: string) =>
  (await keel.client.models.getRoutingDiagnostics()).profiles.find(({ model_name }) => model_name === name)

test('every route tells the same costs, turns and hits', async () => {
  const { summary } = await keel.client.stats.listCosts({ query: { hours: 24 } })
  const told = await keel.client.stats.getEfficiency({ query: { period: '24h' } })
  const { hours, labels, series } = await keel.client.stats.getTimeseries()
  expect(summary.requests).toBe(3)
  expect(efficiency.parse(told).totals).toMatchObject({ total_cost: summary.total_cost, total_turns: 3 })
  expect(told.models['mock/test-model']).toMatchObject({ total_turns: 3, cache_hit_rate: 0.333333, quality: null })
  expect(told.models['mock/test-model']?.avg_budget_utilization).toBeGreaterThan(0)
  expect(told.models['mock/test-model']?.cost.attribution.system_prompt.pct).toBeGreaterThan(0)
  const pct = Object.values(told.models['mock/test-model']?.cost.attribution ?? {}).map((part) => part.pct)
  expect(pct.reduce((sum, part) => sum + part, 0)).toBeCloseTo(100, 3)
  expect(hours).toBe(24)
  expect(labels).toHaveLength(24)
  expect(series.requests_per_hour.at(-1)).toBe(3)
  expect(series.sessions_per_hour.at(-1)).toBe(3)
  expect(series.tokens_per_hour.at(-1)).toBe(summary.total_tokens_in + summary.total_tokens_out)
  const cache = await keel.client.stats.getCacheStats()
  expect(cache).toMatchObject({ hits: 1, misses: 2, by_level: { exact: 1, semantic: 0, tool_ttl: 0 } })
  expect(cache.hit_rate).toBeCloseTo(1 / 3)
  expect((await keel.client.agent.getAgentStatus()).cache_hit_rate_pct).toBeCloseTo(100 / 3)
  const { costs } = await keel.client.stats.listCosts({})
  expect(costs.map(({ tier, cached, estimated }) => [tier, cached, estimated])).toEqual([
    [null, false, false],
    ['cached', true, false],
    [null, false, false],
  ])
})

test.each([{ hours: 6 }, { hours: 168 }, { hours: 500 }, { days: 2, hours: 6 }])(
  'a time series over %j has as many numbers in each row',
  async (query) => {
    const { hours, labels, series } = await keel.client.stats.getTimeseries({ query })
    expect(hours).toBe('days' in query ? 48 : Math.min(query.hours, 168))
    for (const values of [labels, ...Object.values(series)]) expect(values).toHaveLength(hours)
  },
)

test('efficiency is narrowed to a model, and a period that it does not know is all time', async () => {
  const query = { model: 'nobody/m' }
  expect((await keel.client.stats.getEfficiency({ query })).totals).toMatchObject({
    total_turns: 0,
    biggest_cost_driver: 'none',
  })
  const answer = await keel.fetch('/api/stats/efficiency?period=fortnight')
  expect(await answer.json()).toMatchObject({ period: 'all', totals: { total_turns: 3 } })
})

test('transactions are listed from the newest, whatever the sign of the hours', async () => {
  const job = await keel.client.cron.createJob({
    body: {
      name: 'booking',
      schedule_kind: 'cron',
      schedule_expr: '0 0 1 1 *',
      payload_json: JSON.stringify({ action: 'record_transaction', tx_type: 'payment', amount: 3 }),
    },
  })
  for (let n = 0; n < 2; n++) await keel.client.cron.runJob({ params: { id: job.id } })
  const told = await keel.client.stats.listTransactions({ query: { hours: -24, limit: 1 } })
  expect(told).toMatchObject({ total: 2, limit: 1, offset: 0 })
  expect(told.transactions).toMatchObject([{ tx_type: 'payment', amount: 3 }])
  expect((await keel.client.stats.listTransactions({ query: { hours: 0 } })).transactions).toHaveLength(2)
})

describe('grades', () => {
  test('move the choice to the other model at once, and a better grade in their place moves it back', async () => {
    await grade(0, 1)
    await grade(2, 1)
    expect(await profileOf('mock/test-model')).toMatchObject({ grade_count: 2, avg_grade: 1, observation_count: 4 })
    expect(await say('a third question')).toBe('other/m')
    await grade(0, 5)
    await grade(2, 5)
    expect(await profileOf('mock/test-model')).toMatchObject({ grade_count: 2, avg_grade: 5, observation_count: 4 })
    expect(await say('a fourth question')).toBe('mock/test-model')
  })

  test('and the record of the cache outlive the process of the service', async () => {
    await grade(0, 1)
    await grade(2, 1)
    const before = await keel.client.stats.getCacheStats()
    await keel.client.services.restartService({ params: { name: 'inference' } })
    await eventually('the service is back', async () => (await profileOf('mock/test-model'))?.grade_count === 2)
    expect(await profileOf('mock/test-model')).toMatchObject({ avg_grade: 1 })
    expect(await say('a fifth question')).toBe('other/m')
    const after = await keel.client.stats.getCacheStats()
    expect(after).toMatchObject({ hits: before.hits, misses: before.misses + 1, tokens_saved: before.tokens_saved })
  })

  test('stand beside the choice, and in what the model did for its money', async () => {
    const { events } = await keel.client.models.listSelections({})
    expect(events.map((event) => [event.selected_model, event.grade])).toEqual([
      ['other/m', null],
      ['mock/test-model', null],
      ['other/m', null],
      ['mock/test-model', 1],
      ['mock/test-model', null],
      ['mock/test-model', 1],
    ])
    expect(events[0]).not.toHaveProperty('features_json')
    const { models } = await keel.client.stats.getEfficiency({ query: { period: 'all' } })
    expect(models['mock/test-model']?.quality).toMatchObject({ avg_grade: 1, grade_count: 2, grade_coverage: 0.5 })
    expect(models['other/m']?.quality).toBeNull()
  })
})

describe('past choices', () => {
  test('are read with what they used, and what people wrote only when it is asked for', async () => {
    const { rows, summary } = await keel.client.models.getRoutingDataset({ query: { limit: 4 } })
    expect(summary).toMatchObject({ total_rows: 6, returned_rows: 4, graded_rows: 1 })
    expect(rows.map(({ user_excerpt }) => user_excerpt)).toEqual(Array(4).fill('[redacted]'))
    expect(rows[0]).toMatchObject({ turn_id: turns.at(-1), selected_model: 'other/m', executed_model: 'other/m' })
    expect(rows.every(({ tokens_in, tokens_out }) => tokens_in > 0 && tokens_out > 0)).toBe(true)
    const shown = await keel.client.models.getRoutingDataset({ query: { include_user_excerpt: true, limit: 1 } })
    expect(shown.rows[0]?.user_excerpt).toBe('a fifth question')
    const none = await keel.client.models.getRoutingDataset({ query: { until: startedAt } })
    expect(none).toMatchObject({ rows: [], summary: { total_rows: 0 } })
  })

  test('are made again just so with the weights of then, and otherwise with others', async () => {
    const same = await keel.client.models.evaluateRouting({ body: {} })
    // The one that the cache answered was not the router's.
    expect(same).toMatchObject({ rows_considered: 5, summary: { total_rows: 6, passed_over: 1, agreement: 1 } })
    expect(same.verdicts.every(({ verdict }) => verdict === 'same')).toBe(true)
    const floor = await keel.client.models.evaluateRouting({ body: { accuracy_floor: 1, cost_weight: null } })
    expect(floor.summary.weights).toMatchObject({ accuracy_floor: 1, cost_weight: null })
    expect(floor.rows_considered).toBe(5)
  })

  test.each([
    ['POST', '/api/models/routing-eval', { cost_weight: 5 }, /cost_weight/],
    ['POST', '/api/models/routing-eval', { accuracy_floor: -1 }, /accuracy_floor/],
    ['POST', '/api/models/routing-eval', { cost_aware: 'yes' }, /cost_aware/],
    ['POST', '/api/models/routing-eval', { limit: 0 }, /limit/],
    ['POST', '/api/models/routing-eval', { since: 'yesterday' }, /since/],
    ['POST', '/api/models/routing-eval', { since: '2026-01-02', until: '2026-01-01' }, /until/],
    ['GET', '/api/models/routing-dataset?since=soon', undefined, /since/],
    ['GET', '/api/models/routing-dataset?until=2026-13-01', undefined, /until/],
    ['GET', '/api/models/routing-dataset?since=2026-01-02&until=2026-01-01', undefined, /until/],
    ['GET', '/api/stats/timeseries?hours=many', undefined, /hours/],
    ['GET', '/api/stats/transactions?hours=1.5', undefined, /hours/],
  ])('%s %s with %j is refused', async (method, path, body, words) => {
    const headers = { 'content-type': 'application/json' }
    const answer = await keel.fetch(path, { method, ...(body && { headers, body: JSON.stringify(body) }) })
    expect(answer.status).toBe(400)
    expect(((await answer.json()) as { error: string }).error).toMatch(words)
  })
})
