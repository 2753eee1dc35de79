import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { openConfig } from '#kernel/config/live-config.ts'
import { type Config, configSchema } from '#kernel/config/schema.ts'
import { sessionRules } from '#kernel/observatory/insights/session-rules.ts'
import { behaviourOf } from '#kernel/observatory/recommendations/behaviour.ts'
import { modelRules } from '#kernel/observatory/recommendations/model-rules.ts'
import { recommend } from '#kernel/observatory/recommendations/recommend.ts'
import { usageRules } from '#kernel/observatory/recommendations/usage-rules.ts'
import { turnRules } from '#kernel/observatory/tips/turn-rules.ts'
import type { PeriodUsage } from '#kernel/store/statistics/period-usage.ts'
import type { BehaviourProfile, Recommendation } from '#sdk/contracts/recommendations.ts'
import { timestamp } from '#sdk/ids.ts'
import { tempHome } from '../support/temp-home.ts'

const now = Date.parse('2026-03-01T00:00:00.000Z')
const daysAgo = (days: number) => timestamp(now - days * 86_400_000)
const none = new Map<string, string>()

type Model = BehaviourProfile['model_stats'][string]

function model(turns: number, avg_cost: number, avg_output_density = 0.5): Model {
  return { turns, avg_cost, avg_quality: null, cache_hit_rate: 0.5, avg_output_density }
}

interface Change extends Partial<PeriodUsage> {
  config?: object
}

/** A month in which nothing is amiss. */
function advised(
  { config = {}, ...change }: Change = {},
  { since = daysAgo(30) as string | null, dismissals = none } = {},
) {
  const model_stats = change.model_stats ?? { 'mock/a': model(40, 0.01) }
  const usage: PeriodUsage = {
    total_sessions: 10,
    total_turns: Object.values(model_stats).reduce((sum, { turns }) => sum + turns, 0),
    total_cost: 0.4,
    avg_quality: null,
    grade_coverage: 0,
    models_used: Object.keys(model_stats),
    avg_session_length: 8,
    avg_tokens_per_turn: 800,
    tool_success_rate: 1,
    cache_hit_rate: 0.5,
    memory_retrieval_rate: 0.5,
    first_call_at: daysAgo(30),
    prompt_shares: { system_prompt: 0, memories: 0, history: 0, tool_definitions: 0 },
    ...change,
    model_stats,
  }
  const behaviour = behaviourOf(usage, { config: configWith(config), since, now })
  return recommend(behaviour, dismissals)
}

const providers = { mock: { url: 'http://127.0.0.1:1' }, other: { url: 'http://127.0.0.1:2' } }

function configWith(change: object): Config {
  return configSchema.parse({ models: { primary: 'mock/a', fallbacks: ['mock/b'] }, providers, ...change })
}

const one = (id: string, change: Change) => advised(change).find((each) => each.id === id)

const two = (a: Model, b: Model) => ({ model_stats: { 'mock/a': a, 'mock/b': b } })

test('there is nothing to advise on a month in which nothing is amiss, nor on one in which nothing was done', () => {
  expect(advised()).toEqual([])
  expect(advised({ model_stats: {}, total_sessions: 0, cache_hit_rate: 0, first_call_at: null })).toEqual([])
})

test.each<[id: string, what: string, change: Change, priority: string | undefined, savings?: number | null]>([
  ['specificity_correlation', 'below 50 tokens', { avg_tokens_per_turn: 49.9 }, 'Medium', null],
  ['specificity_correlation', 'at 50 tokens', { avg_tokens_per_turn: 50 }, undefined],
  ['specificity_correlation', 'of nine turns', { avg_tokens_per_turn: 1, total_turns: 9 }, undefined],
  ['follow_up_patterns', 'past 20 messages', { avg_session_length: 20.1, total_sessions: 3 }, 'Medium', null],
  ['follow_up_patterns', 'at 20 messages', { avg_session_length: 20, total_sessions: 3 }, undefined],
  ['follow_up_patterns', 'of two sessions', { avg_session_length: 30, total_sessions: 2 }, undefined],
  ['pareto_optimal_models', 'cheaper and as dense', two(model(20, 0.02), model(20, 0.01)), 'High', 0.3 * 0.02 * 20],
  ['pareto_optimal_models', 'as cheap and denser', two(model(20, 0.01), model(20, 0.01, 0.6)), 'High', 0.3 * 0.01 * 20],
  ['pareto_optimal_models', 'cheaper but less dense', two(model(20, 0.02, 0.6), model(20, 0.01)), undefined],
  ['pareto_optimal_models', 'of equals', two(model(20, 0.01), model(20, 0.01)), undefined],
  [
    'pareto_optimal_models',
    'against what is no model',
    { model_stats: { 'mock/a': model(20, 0.01), 'keel/offline': model(20, 0, 9) } },
    undefined,
  ],
  [
    'complexity_mismatch',
    'dear and terse',
    { model_stats: { 'mock/a': model(10, 0.021, 0.149) } },
    'High',
    0.5 * 0.021 * 10,
  ],
  ['complexity_mismatch', 'at two cents', { model_stats: { 'mock/a': model(10, 0.02, 0.1) } }, undefined],
  ['complexity_mismatch', 'at a density of .15', { model_stats: { 'mock/a': model(10, 0.03, 0.15) } }, undefined],
  ['model_strengths', 'of two', two(model(15, 0.02, 0.9), model(5, 0.01)), 'Low', undefined],
  ['model_strengths', 'of four turns', two(model(16, 0.02, 0.9), model(4, 0.01)), undefined],
  ['model_strengths', 'of 19 turns', two(model(14, 0.02, 0.9), model(5, 0.01)), undefined],
  ['model_strengths', 'where the cheapest is the densest', two(model(15, 0.02), model(5, 0.01, 0.9)), undefined],
  ['session_length_sweet', 'past 15 messages', { avg_session_length: 15.1, total_sessions: 3 }, 'Low', undefined],
  ['session_length_sweet', 'at 15', { avg_session_length: 15, total_sessions: 3 }, undefined],
  ['session_length_sweet', 'at 20', { avg_session_length: 20, total_sessions: 3 }, 'Low', undefined],
  ['session_length_sweet', 'past 20', { avg_session_length: 20.1, total_sessions: 3 }, undefined],
  [
    'stale_session_cost',
    'past 25 messages',
    { avg_session_length: 30, total_sessions: 5 },
    'High',
    0.4 * (18 / 30) * 0.3,
  ],
  ['stale_session_cost', 'at 25', { avg_session_length: 25, total_sessions: 5 }, undefined],
  ['stale_session_cost', 'of four sessions', { avg_session_length: 30, total_sessions: 4 }, undefined],
  ['memory_underutilized', 'below a fifth', { memory_retrieval_rate: 0.19 }, 'Medium', null],
  ['memory_underutilized', 'at a fifth', { memory_retrieval_rate: 0.2 }, undefined],
  ['memory_underutilized', 'of 19 turns', { memory_retrieval_rate: 0, total_turns: 19 }, undefined],
  ['memory_overloaded', 'past 90%', { memory_retrieval_rate: 0.91, avg_tokens_per_turn: 2_001 }, 'Medium', 0.15 * 0.4],
  ['memory_overloaded', 'at 90%', { memory_retrieval_rate: 0.9, avg_tokens_per_turn: 2_001 }, undefined],
  ['memory_overloaded', 'at 2,000 tokens', { memory_retrieval_rate: 1, avg_tokens_per_turn: 2_000 }, undefined],
  ['system_prompt_roi', 'at 1,500 tokens', { avg_tokens_per_turn: 1_500 }, 'Medium', 0.06 * 0.4],
  [
    'system_prompt_roi',
    'by what is on record',
    {
      avg_tokens_per_turn: 1_500,
      prompt_shares: { system_prompt: 0.5, memories: 0, history: 0.5, tool_definitions: 0 },
    },
    'Medium',
    0.1 * 0.4,
  ],
  ['system_prompt_roi', 'below 1,500 tokens', { avg_tokens_per_turn: 1_499 }, undefined],
  ['system_prompt_roi', 'of nine turns', { avg_tokens_per_turn: 1_500, total_turns: 9 }, undefined],
  ['caching_opportunity', 'below 15%', { cache_hit_rate: 0.149 }, 'High', 0.2 * 0.4],
  ['caching_opportunity', 'at 15%', { cache_hit_rate: 0.15 }, undefined],
  ['caching_opportunity', 'of nine turns', { cache_hit_rate: 0, total_turns: 9 }, undefined],
  ['tool_cost_awareness', 'below 70%', { tool_success_rate: 0.6 }, 'Medium', 0.4 * 0.4 * 0.1],
  ['tool_cost_awareness', 'at 70%', { tool_success_rate: 0.7 }, undefined],
  ['fallback_chain_tuning', 'past 30%', two(model(69, 0.01), model(31, 0.02)), 'High', undefined],
  ['fallback_chain_tuning', 'at 30%', two(model(70, 0.01), model(30, 0.02)), undefined],
  ['fallback_chain_tuning', 'of 19 turns', two(model(10, 0.01), model(9, 0.02)), undefined],
  ['high_cost_per_turn', 'past five cents', { model_stats: { 'mock/a': model(5, 0.051) } }, 'Medium', 0.3 * 0.051 * 5],
  ['high_cost_per_turn', 'at five cents', { model_stats: { 'mock/a': model(5, 0.05) } }, undefined],
  ['high_cost_per_turn', 'past ten cents', { model_stats: { 'mock/a': model(5, 0.101) } }, 'High', 0.3 * 0.101 * 5],
  ['high_cost_per_turn', 'of four turns', { model_stats: { 'mock/a': model(4, 1) } }, undefined],
])('%s %s', (id, _, change, priority, savings) => {
  const found = one(id, change)
  expect(found?.priority).toBe(priority)
  if (savings === null) expect(found?.estimated_impact?.monthly_savings).toBeNull()
  else if (savings === undefined) expect(found?.estimated_impact ?? null).toBeNull()
  else expect(found?.estimated_impact?.monthly_savings).toBeCloseTo(savings, 9)
})

test('every rule stands in the documentation', () => {
  const docs = readFileSync(new URL('../../docs/observatory.md', import.meta.url), 'utf8')
  const names = [...turnRules, ...sessionRules].map(({ name, category }) => `| \`${name}\` | ${category} |`)
  for (const row of names) expect(docs).toContain(row)
  for (const { id, category } of [...modelRules, ...usageRules]) expect(docs).toContain(`| \`${id}\` | ${category} |`)
})

describe('savings are those of 30 days', () => {
  const saved = (change: Change, since: string | null) =>
    advised({ cache_hit_rate: 0, ...change }, { since })[0]?.estimated_impact?.monthly_savings

  test.each([
    ['a week that was used whole', daysAgo(7), daysAgo(7), 30 / 7],
    ['a month of which ten days were used', daysAgo(30), daysAgo(10), 3],
    ['all time', null, daysAgo(60), 0.5],
    ['a month of which an hour was used: a day counts at least', daysAgo(30), daysAgo(1 / 24), 30],
    ['an hour', daysAgo(1 / 24), daysAgo(1 / 48), 720],
  ])('%s', (_, since, first_call_at, factor) => {
    expect(saved({ first_call_at }, since)).toBeCloseTo(0.2 * 0.4 * factor, 9)
  })
})

test('what matters most comes first, and what spares most of it', () => {
  const list = advised({
    model_stats: { 'mock/a': model(30, 0.2, 0.1), 'mock/b': model(20, 0.01) },
    cache_hit_rate: 0,
    tool_success_rate: 0.1,
    avg_session_length: 16,
  })
  const priorities = ['High', 'Medium', 'Low']
  const ranks = list.map(({ priority }) => priorities.indexOf(priority))
  expect(ranks).toEqual(ranks.toSorted())
  expect(new Set(ranks).size).toBe(3)
  const high = list
    .filter(({ priority }) => priority === 'High')
    .map((each) => each.estimated_impact?.monthly_savings ?? 0)
  expect(high).toEqual(high.toSorted((left, right) => right - left))
  expect(new Set(list.map(({ id }) => id)).size).toBe(list.length)
})

test('a recommendation names what fired it', () => {
  expect(one('pareto_optimal_models', two(model(20, 0.02), model(20, 0.01)))).toMatchObject({
    title: 'mock/b does at least as well as mock/a for less',
    explanation: expect.stringContaining('mock/a costs $0.0200 a turn'),
    evidence: [
      { metric: 'mock/a', value: '$0.0200' },
      { metric: 'mock/b', value: '$0.0100' },
    ],
  })
})

test('what was dismissed says when', () => {
  const [first] = advised({ cache_hit_rate: 0 }, { dismissals: new Map([['caching_opportunity', daysAgo(1)]]) })
  expect(first).toMatchObject({ id: 'caching_opportunity', dismissed_at: daysAgo(1) })
})

const cost = (change: object = {}) => ({ models: { primary: 'mock/a', fallbacks: ['mock/b'], ...change } })
const routing = (change: object) => cost({ routing: change })
const pareto = two(model(20, 0.02), model(20, 0.01))
const swapped = two(model(20, 0.02), model(80, 0.01))
const dear = { model_stats: { 'mock/a': model(20, 0.2) } }

describe('a change of the settings', () => {
  test.each<[id: string, what: string, change: Change, path: string, to: unknown]>([
    [
      'caching_opportunity',
      'where the cache is off',
      { cache_hit_rate: 0, config: { cache: { enabled: false } } },
      'cache.enabled',
      true,
    ],
    ['caching_opportunity', 'where it forgets soon', { cache_hit_rate: 0 }, 'cache.exact_match_ttl_seconds', 86_400],
    ['high_cost_per_turn', 'where cost is not weighed', dear, 'models.routing.cost_aware', true],
    [
      'high_cost_per_turn',
      'where it has little weight',
      { ...dear, config: routing({ cost_weight: 0.1 }) },
      'models.routing.cost_weight',
      0.5,
    ],
    [
      'high_cost_per_turn',
      'where the first usable answers',
      { ...dear, config: routing({ mode: 'primary' }) },
      'models.routing',
      { mode: 'metascore', cost_aware: true },
    ],
    [
      'complexity_mismatch',
      'where cost is not weighed',
      { model_stats: { 'mock/a': model(20, 0.03, 0.1) } },
      'models.routing.cost_aware',
      true,
    ],
    [
      'pareto_optimal_models',
      'where the router may choose the worse one',
      pareto,
      'models.routing.blocked_models',
      ['mock/a'],
    ],
    [
      'pareto_optimal_models',
      'where the worse one stands first',
      { ...pareto, config: routing({ mode: 'primary' }) },
      'models',
      { primary: 'mock/b', fallbacks: ['mock/a'] },
    ],
    [
      'pareto_optimal_models',
      'where the better one is not in the chain',
      { ...pareto, config: { models: { primary: 'mock/a', fallbacks: ['other/c'] } } },
      'models',
      { primary: 'mock/b', fallbacks: ['mock/a', 'other/c'] },
    ],
    [
      'fallback_chain_tuning',
      'where another one stands first',
      two(model(9, 0.02), model(20, 0.03)),
      'models',
      { primary: 'mock/b', fallbacks: ['mock/a'] },
    ],
    [
      'memory_underutilized',
      'where no model is asked what to remember',
      { memory_retrieval_rate: 0, config: { memory: { extract_by_model: false } } },
      'memory.extract_by_model',
      true,
    ],
  ])('%s %s is accepted, and answers it', async (id, _, change, path, to) => {
    const config = await openedConfig(change.config ?? {})
    const found = one(id, { ...change, config: config.current() })
    expect(found).toMatchObject({ answered: false, config_change: { path, to } })
    const patch = found?.config_change?.patch ?? {}
    expect(await config.put(patch)).toMatchObject({ updated: true, ignored_keys: [], shadowed: [] })
    const after = one(id, { ...change, config: config.current() })?.config_change
    expect(after === null || after?.path !== path).toBe(true)
    expect(await leadsSomewhere(id, change, config)).toBe(true)
  })

  /** Applied again and again there is soon nothing left to apply. */
  async function leadsSomewhere(id: string, change: Change, config: Awaited<ReturnType<typeof openedConfig>>) {
    for (let steps = 0; steps < 3; steps++) {
      const left: Recommendation['config_change'] =
        one(id, { ...change, config: config.current() })?.config_change ?? null
      if (left === null) return true
      await config.put(left.patch)
    }
    return false
  }

  test.each<[id: string, what: string, change: Change]>([
    [
      'caching_opportunity',
      'the cache keeps answers for a day',
      { cache_hit_rate: 0, config: { cache: { exact_match_ttl_seconds: 86_400 } } },
    ],
    ['high_cost_per_turn', 'cost is weighed', { ...dear, config: routing({ cost_aware: true }) }],
    ['high_cost_per_turn', 'cost has its weight', { ...dear, config: routing({ cost_weight: 0.5 }) }],
    [
      'pareto_optimal_models',
      'the worse one is blocked',
      { ...pareto, config: routing({ blocked_models: ['mock/a'] }) },
    ],
    ['pareto_optimal_models', 'the worse one is gone', { ...pareto, config: { models: { primary: 'mock/b' } } }],
    [
      'pareto_optimal_models',
      'the better one stands before it',
      { ...pareto, config: { models: { primary: 'mock/b', fallbacks: ['mock/a'], routing: { mode: 'primary' } } } },
    ],
    ['fallback_chain_tuning', 'the most used stands first', two(model(20, 0.03), model(9, 0.02))],
  ])('%s is answered where %s', (id, _, change) => {
    expect(one(id, change)).toMatchObject({ answered: true, config_change: null })
  })

  test.each<[id: string, what: string, change: Change]>([
    ['high_cost_per_turn', 'there is one model to choose from', { ...dear, config: { models: { primary: 'mock/a' } } }],
    ['high_cost_per_turn', 'the other is blocked', { ...dear, config: routing({ blocked_models: ['mock/b'] }) }],
    [
      'pareto_optimal_models',
      'the worse one is a canary',
      { ...swapped, config: routing({ canary_model: 'mock/a', canary_fraction: 0.1 }) },
    ],
    [
      'pareto_optimal_models',
      'the better one is blocked',
      { ...pareto, config: routing({ blocked_models: ['mock/b'] }) },
    ],
    [
      'fallback_chain_tuning',
      'the most used has no provider any more',
      { model_stats: { 'mock/a': model(9, 0.02), 'gone/x': model(20, 0.03) } },
    ],
    ['memory_underutilized', 'a model is asked already', { memory_retrieval_rate: 0 }],
    ['tool_cost_awareness', 'no setting helps', { tool_success_rate: 0 }],
  ])('%s has none where %s', (id, _, change) => {
    expect(one(id, change)).toMatchObject({ answered: false, config_change: null })
  })

  test('says what it is now', () => {
    expect(one('caching_opportunity', { cache_hit_rate: 0 })?.config_change).toEqual({
      path: 'cache.exact_match_ttl_seconds',
      from: 3_600,
      to: 86_400,
      patch: { cache: { exact_match_ttl_seconds: 86_400 } },
    })
  })
})

/** A home of its own with these settings. */
async function openedConfig(change: object) {
  const config = openConfig(tempHome(), {})
  await config.put({ models: { primary: 'mock/a', fallbacks: ['mock/b'] }, providers, ...change })
  return config
}
