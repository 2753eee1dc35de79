import { expect, test } from 'vitest'
import type { Recommendation } from '#sdk/contracts/recommendations.ts'
import { fakeKeel, keel } from '../support/cli-run.ts'

const profile = {
  total_sessions: 3,
  total_turns: 12,
  total_cost: 1.5,
  avg_quality: null,
  grade_coverage: 0,
  models_used: [],
  model_stats: {},
  avg_session_length: 4,
  avg_tokens_per_turn: 100,
  tool_success_rate: 1,
  cache_hit_rate: 0,
  memory_retrieval_rate: 0.5,
}

const patch = { cache: { exact_match_ttl_seconds: 86_400 } }
const caching: Recommendation = {
  id: 'caching_opportunity',
  category: 'CostOptimization',
  priority: 'High',
  title: 'Few answers come from the cache',
  explanation: '0% came from it.',
  action: 'Keep answers for longer.',
  evidence: [{ metric: 'cache_hit_rate', value: '0%', context: 'below 15%' }],
  estimated_impact: { monthly_savings: 12.345, quality_change: null, description: 'd' },
  config_change: { path: 'cache.exact_match_ttl_seconds', from: 3600, to: 86_400, patch },
  answered: false,
  dismissed_at: null,
}
const tools: Recommendation = {
  ...caching,
  id: 'tool_cost_awareness',
  priority: 'Medium',
  title: 'Tool calls\u001b[31m fail',
  estimated_impact: null,
  config_change: null,
}
const blocked: Recommendation = {
  ...tools,
  id: 'pareto_optimal_models',
  priority: 'Low',
  title: 'One is better',
  answered: true,
}
const dropped: Recommendation = { ...caching, id: 'high_cost_per_turn', dismissed_at: '2026-01-01T00:00:00.000Z' }

const updated = {
  updated: true,
  persisted: true,
  message: 'applied',
  backup_path: null,
  deferred_apply: [],
  ignored_keys: [],
  shadowed: [],
}

function server() {
  return fakeKeel({
    'GET /api/recommendations': ({ url }: { url: string }) => {
      const all = [caching, tools, blocked]
      const recommendations = url.includes('dismissed=true') ? [...all, dropped] : all
      return { period: '30d', profile, recommendations, count: recommendations.length, deep: null }
    },
    'POST /api/recommendations/caching_opportunity/dismiss': { id: 'caching_opportunity', dismissed: true },
    'DELETE /api/recommendations/caching_opportunity/dismiss': { id: 'caching_opportunity', dismissed: false },
    'POST /api/recommendations/generate': {
      status: 'complete',
      heuristic_recommendations: [],
      deep_analysis: 'You could spend less.',
      analysis_model: 'mock/m',
      tokens_in: 1,
      tokens_out: 1,
      cost: 0.0012,
      profile,
      message: 'You could spend less.',
      actions: [],
      summary: { estimated_monthly_savings: 0 },
      deep_recommendations: [],
      reason: null,
      created_at: '2026-01-01T00:00:00.000Z',
    },
    'PUT /api/config': updated,
  })
}

async function run(...args: string[]) {
  const { url, calls } = await server()
  const result = await keel(['--url', url, 'recommendations', ...args], { env: { KEEL_API_KEY: 'k' } })
  return { ...result, routes: calls.map(({ route, url: asked }) => `${route.split(' ')[0]} ${asked}`), calls }
}

test('lists what is advised, what it would spare and how it is applied', async () => {
  const { code, stdout, stderr, routes } = await run('--period', '7d')
  expect(code).toBe(0)
  expect(stdout).toContain('High    Few answers come from the cache  about $12.35 a month')
  expect(stdout).toContain('cache_hit_rate 0% (below 15%)')
  expect(stdout).toContain(
    'cache.exact_match_ttl_seconds: 3600 becomes 86400: keel recommendations --apply caching_opportunity',
  )
  expect(stdout).toContain('no setting does this (tool_cost_awareness)')
  expect(stdout).toContain('the settings are that way already (pareto_optimal_models)')
  expect(stdout).not.toContain('\u001b')
  expect(stderr).toContain('By 12 turns that cost $1.50 (30d).')
  expect(routes).toEqual(['GET /api/recommendations?period=7d'])
})

test('prints one JSON value, and with --all those that were dismissed', async () => {
  const { stdout } = await run('--all', '--json')
  expect(JSON.parse(stdout).recommendations).toHaveLength(4)
  expect((await run('--all')).stdout).toContain('dismissed: keel recommendations --restore high_cost_per_turn')
})

test('applies exactly the change that it shows, once somebody has said yes', async () => {
  const asked = await run('--apply', 'caching_opportunity')
  expect(asked.stderr).toContain('cache.exact_match_ttl_seconds: 3600 becomes 86400')
  expect(asked.stderr).toContain('Nothing was changed')
  expect(asked.calls.some(({ route }) => route === 'PUT /api/config')).toBe(false)
  const applied = await run('--apply', 'caching_opportunity', '--yes')
  expect(applied.code).toBe(0)
  expect(applied.calls.at(-1)).toMatchObject({ route: 'PUT /api/config', body: patch })
  expect(applied.stdout).toBe('cache.exact_match_ttl_seconds: 3600 becomes 86400: applied.\n')
})

test.each([
  ['nonsense', 'nonsense is not recommended: caching_opportunity, tool_cost_awareness'],
  ['tool_cost_awareness', 'no setting does this. Keep answers for longer.'],
  ['pareto_optimal_models', 'the settings are that way already'],
])('--apply %s says why it can not', async (id, reason) => {
  const { code, stderr, calls } = await run('--apply', id, '--yes')
  expect(code).not.toBe(0)
  expect(stderr).toContain(reason)
  expect(calls.some(({ route }) => route === 'PUT /api/config')).toBe(false)
})

test('dismisses, restores, and has a model advise', async () => {
  expect((await run('--dismiss', 'caching_opportunity')).stdout).toContain('is not listed any more')
  expect((await run('--restore', 'caching_opportunity')).stdout).toBe('caching_opportunity is listed again.\n')
  const deep = await run('--deep', '--period', 'all')
  expect(deep.stdout).toContain('You could spend less.')
  expect(deep.stderr).toContain('mock/m, $0.0012')
  expect(deep.routes).toEqual(['POST /api/recommendations/generate?period=all'])
})

test('refuses a period that there is not, and two things at once', async () => {
  const odd = await run('--period', '2h')
  expect(odd.stderr).toContain('--period is one of 1h, 24h, 7d, 30d, all')
  expect((await run('--deep', '--apply', 'x')).code).not.toBe(0)
})
