import { expect, test } from 'vitest'
import { fakeKeel, keel } from '../support/cli-run.ts'

const clock = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/.source

async function scene(routes: Record<string, unknown>) {
  const { url, calls } = await fakeKeel(routes)
  const at = (...words: string[]) => keel(['--url', url, '--api-key', 'k', 'stats', ...words])
  return { at, asked: () => calls.map((call) => call.url) }
}

const share = { tokens: 0, cost: 0, pct: 0 }
const zeros = {
  total: 0,
  success: 0,
  failed: 0,
  timeout_like: 0,
  success_rate: 0,
  avg_duration_ms: 0,
  p95_duration_ms: 0,
}

const model = (name: string, grades: { avg_grade: number; grade_count: number } | null) => ({
  ...{ model: name, total_turns: 1_200, avg_output_density: 0.456, avg_budget_utilization: 0.5, cache_hit_rate: 0.25 },
  ...{ avg_memory_roi: 0, avg_system_prompt_weight: 0, context_pressure_rate: 0 },
  cost: {
    ...{ total: 12.3456, per_output_token: 0, effective_per_turn: 0.01234, cache_savings: 0, wasted_budget_cost: 0 },
    cumulative_trend: 'stable',
    attribution: { system_prompt: share, memories: share, history: share, tool_definitions: share },
  },
  trend: { output_density: 'stable', cost_per_turn: 'increasing', cache_hit_rate: 'stable' },
  quality: grades && {
    ...{ ...grades, grade_coverage: 0, cost_per_quality_point: 0, by_complexity: {}, trend: 'stable' },
    memory_impact: { with_memory: 0, without_memory: 0 },
  },
})

const efficiencyOf = (models: object, total_turns: number) => ({
  ...{ period: '7d', models, time_series: [] },
  totals: {
    ...{ total_cost: 12.3456, total_cache_savings: 0.5, total_turns, biggest_cost_driver: 'none' },
    ...{ most_expensive_model: null, most_efficient_model: null },
  },
  subagent_assignment: { period: '7d', overall: zeros, by_subagent: {}, assignments: {} },
})

const summary = {
  total_cost: 3,
  total_tokens_in: 5_000,
  total_tokens_out: 600,
  requests: 12,
  estimated_requests: 1,
  window_hours: 1,
}
const page = { limit: 20, offset: 0 }

test('without a further word it shows the models of a week, and of another period when told', async () => {
  const models = { 'a/m': model('a/m', { avg_grade: 4.25, grade_count: 8 }), 'b/m': model('b/\u001b[31mm', null) }
  const { at, asked } = await scene({
    'GET /api/stats/efficiency': efficiencyOf(models, 1),
  })
  const { stdout, code } = await at()
  expect(code).toBe(0)
  const lines = stdout.split('\n')
  expect(lines[0]).toMatch(/^MODEL +TURNS +COST +A TURN +TREND +CACHED +OUT\/IN +CONTEXT +GRADE$/)
  expect(lines[1]).toMatch(/^a\/m +1,200 +\$12\.35 +\$0\.0123 +increasing +25 % +0\.46 +50 % +4\.3 of 8$/)
  expect(lines[2]).toMatch(/^b\/.*m +1,200 .* –$/)
  expect(stdout).not.toContain('\u001b')
  expect(stdout).toContain('1 turn, $12.35; the cache spared $0.5000.')
  await at('efficiency', '--period', '30d', '--model', 'a/m')
  expect(asked()).toEqual(['/api/stats/efficiency?period=7d', '/api/stats/efficiency?period=30d&model=a%2Fm'])
  expect(JSON.parse((await at('--json')).stdout).totals.total_turns).toBe(1)
  expect((await at('efficiency', '--period', '2d')).code).not.toBe(0)
})

test('costs shows the newest calls, what they were for, and the sum of all', async () => {
  const call = {
    ...{ id: 'c', created_at: '2025-01-31T09:15:02.123Z', model: 'a/m', provider: 'a', latency_ms: 1_500, cost: 0.002 },
    ...{ cached: false, quality_score: null, escalation: false, tokens_saved: 0, turn_id: null },
  }
  const { at, asked } = await scene({
    'GET /api/stats/costs': {
      costs: [
        { ...call, tier: null, tokens_in: 1_234, tokens_out: 5, estimated: true },
        { ...call, tier: 'analysis', tokens_in: 1, tokens_out: 2, estimated: false, latency_ms: null },
      ],
      ...{ summary, total: 12, ...page },
    },
  })
  const { stdout } = await at('costs', '--hours', '1')
  expect(stdout).toMatch(new RegExp(`^${clock} +a/m +turn +1,234 +5 \\(estimated\\) +\\$0\\.002000 +1.5 s$`, 'm'))
  expect(stdout).toMatch(new RegExp(`^${clock} +a/m +analysis +1 +2 +\\$0\\.002000 +–$`, 'm'))
  expect(stdout).toContain('12 calls (1 estimated) in 1 hour: $3.00, 5,000 + 600 tokens.')
  expect(asked()).toEqual(['/api/stats/costs?hours=1&limit=20'])
  expect((await at('costs', '--hours', 'x')).stderr).toContain('Expected a whole number.')
})

test('timeseries shows a line for each hour', async () => {
  const two = (first: number, second: number) => [first, second]
  const { at, asked } = await scene({
    'GET /api/stats/timeseries': {
      hours: 2,
      labels: ['13:00', '14:00'],
      series: {
        ...{ requests_per_hour: two(0, 3), tokens_per_hour: two(0, 4_500), cost_per_hour: two(0, 0.25) },
        ...{ latency_p50_ms: two(0, 812.5), tool_latency_p50_ms: two(0, 61_000), sessions_per_hour: two(0, 1) },
        ...{ errors_per_hour: two(0, 2), cron_success_rate: two(1, 0.5) },
      },
    },
  })
  const lines = (await at('timeseries', '--hours', '2')).stdout.split('\n')
  expect(lines[1]).toMatch(/^13:00 +0 +0 +\$0\.00 +0 ms +0 ms +0 +0 +100 %$/)
  expect(lines[2]).toMatch(/^14:00 +3 +4,500 +\$0\.2500 +813 ms +1 min 1 s +1 +2 +50 %$/)
  expect(asked()).toEqual(['/api/stats/timeseries?hours=2'])
})

test('cache and transactions are shown, and that there is nothing', async () => {
  const cache = {
    enabled: true,
    entries: 3,
    hits: 4,
    misses: 12,
    hit_rate: 0.25,
    hit_rate_percent: 25,
    cached_entries: 3,
    tokens_saved: 9_000,
  }
  const booking = {
    id: 'x',
    tx_hash: null,
    metadata_json: null,
    created_at: '2025-01-31T09:15:02.123Z',
    tx_type: 'payment',
    amount: 3,
    currency: 'USD',
  }
  const { at } = await scene({
    'GET /api/stats/cache': { ...cache, by_level: { exact: 2, semantic: 1, tool_ttl: 1 } },
    'GET /api/stats/transactions': { transactions: [{ ...booking, counterparty: null }], total: 3, ...page },
  })
  const { stdout } = await at('cache')
  expect(stdout).toContain('Hits       4 (exact 2, similar 1, with tools 1)')
  expect(stdout).toContain('Hit rate   25 %')
  expect((await at('transactions')).stdout).toMatch(new RegExp(`${clock} +payment +3 USD +–\nand 2 more\n$`))
  const empty = await scene({
    'GET /api/stats/transactions': { transactions: [], total: 0, ...page },
    'GET /api/stats/costs': { costs: [], summary, total: 0, ...page },
    'GET /api/stats/efficiency': efficiencyOf({}, 0),
  })
  expect((await empty.at('transactions')).stdout).toBe('Nothing was booked.\n')
  expect((await empty.at('costs')).stdout).toBe('No model was called.\n')
  expect((await empty.at()).stdout).toBe('No model was called.\n')
})
