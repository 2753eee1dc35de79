import { describe, expect, test } from 'vitest'
import { evaluateRouting } from '#kernel/observatory/statistics/routing-eval.ts'
import { recordCost } from '#kernel/store/costs.ts'
import { sql } from '#kernel/store/database.ts'
import { recordExecutedModel, recordSelection } from '#kernel/store/selections.ts'
import { routingRows } from '#kernel/store/statistics/routing-rows.ts'
import type { Store } from '#kernel/store/store.ts'
import type { ModelFeatures } from '#sdk/routing/metascore.ts'
import { Breakers } from '../../services/inference/breakers.ts'
import { Capacity } from '../../services/inference/capacity.ts'
import { Quality } from '../../services/inference/quality.ts'
import { selectModel } from '../../services/inference/select-model.ts'
import { providerAt, requestWith, settingsWith } from '../support/inference-service.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { temporaryStore } from '../support/temp-store.ts'

const usual = { accuracy_floor: 0, accuracy_min_obs: 10, cost_aware: false, cost_weight: null }

const features = (fields: Partial<ModelFeatures>): ModelFeatures => ({
  ...{ efficacy: 0.5, cost: 0.5, availability: 1, locality: 0.5, fit: 1, confidence: 1, bias: 0, observations: 20 },
  ...{ input_price: 0, output_price: 0, ...fields },
})

const strong = features({ efficacy: 0.9, cost: 0.1, input_price: 1e-5, output_price: 3e-5 })
const cheap = features({ efficacy: 0.5, cost: 0.95, input_price: 1e-7, output_price: 2e-7 })

interface Made {
  turn: string
  at: string
  selected?: string
  strategy?: string
  override?: string | null
  known?: Record<string, ModelFeatures>
  blocked?: string[]
}

function choose({ write }: Store, { turn, at, selected = 'strong/m', override = null, ...more }: Made): string {
  const { known = { 'strong/m': strong, 'cheap/m': cheap }, strategy = 'metascore_0.700_c0.50', blocked = [] } = more
  const { event_id } = recordSelection(write, {
    ...{ turn_id: turn, session_id: 's', agent_id: 'keel', channel: 'api', user_text: 'a question' },
    selection: {
      ...{
        selected_model: selected,
        strategy,
        primary_model: 'strong/m',
        override_model: override,
        complexity_score: 0.5,
      },
      candidates: Object.keys(known).map((model) => ({
        ...{
          model,
          source: 'metascore_candidate' as const,
          provider_available: true,
          breaker_blocked: blocked.includes(model),
        },
        ...{ usable: !blocked.includes(model), note: blocked.includes(model) ? 'provider breaker open' : 'usable' },
      })),
      ...{ metascore_breakdown: null, features: known },
    },
  })
  sql(write, 'UPDATE model_selection_events SET created_at = ? WHERE id = ?').run(at, event_id)
  return event_id
}

function spend(
  { write }: Store,
  id: string,
  turn_id: string,
  created_at: string,
  fields: { tier?: string; tokens?: number } = {},
) {
  const { tier = null, tokens = 1_000 } = fields
  recordCost(write, {
    ...{
      id,
      turn_id,
      created_at,
      tier,
      model: 'strong/m',
      provider: 'strong',
      tokens_in: tokens,
      tokens_out: 100,
      cost: 0.01,
    },
    ...{
      cached: false,
      latency_ms: 1,
      quality_score: 0.8,
      escalation: false,
      estimated: false,
      tokens_saved: 0,
      cache_level: null,
    },
  })
}

const time = (second: number) => `2026-03-15T10:00:${String(second).padStart(2, '0')}.000Z`

test('each choice has the calls that followed it, up to the next one of its turn', () => {
  const { store } = temporaryStore()
  const first = choose(store, { turn: 'a', at: time(1) })
  recordExecutedModel(store.write, first, 'cheap/m')
  spend(store, '1', 'a', time(1))
  spend(store, '2', 'a', time(2), { tokens: 500 })
  choose(store, { turn: 'b', at: time(3) })
  choose(store, { turn: 'a', at: time(4) })
  spend(store, '3', 'b', time(5))
  spend(store, '4', 'a', time(6), { tokens: 7 })
  spend(store, '5', 'a', time(6), { tier: 'memory' })
  choose(store, { turn: 'c', at: time(7) })
  const { rows, total } = routingRows(store.read, { limit: 10 })
  expect(total).toBe(4)
  expect(rows.map((row) => [row.turn_id, row.tokens_in, row.executed_model])).toEqual([
    ['c', 0, null],
    ['a', 7, null],
    ['b', 1_000, null],
    ['a', 1_500, 'cheap/m'],
  ])
  expect(rows.at(-1)).toMatchObject({ cost: 0.02, quality_score: 0.8, grade: null })
  const inner = routingRows(store.read, { since: time(3), until: time(7), limit: 1 })
  expect([inner.total, inner.rows.map(({ turn_id }) => turn_id)]).toEqual([2, ['a']])
})

describe('other weights', () => {
  test('choose otherwise, and are told what that would cost and lose', () => {
    const { store } = temporaryStore()
    choose(store, { turn: 'a', at: time(1) })
    spend(store, '1', 'a', time(2))
    const same = evaluateRouting(store.read, { limit: 10, weights: { ...usual, cost_weight: 0 } })
    expect(same.verdicts).toMatchObject([{ proposed_model: 'strong/m', verdict: 'same' }])
    const thrifty = evaluateRouting(store.read, { limit: 10, weights: { ...usual, cost_weight: 1 } })
    expect(thrifty.verdicts).toMatchObject([{ proposed_model: 'cheap/m', verdict: 'trade' }])
    expect(thrifty.summary).toMatchObject({
      changed_rows: 1,
      agreement: 0,
      trade: 1,
      proposed_by_model: { 'cheap/m': 1 },
    })
    expect(thrifty.summary.selected_cost).toBeCloseTo(1_000 * 1e-5 + 100 * 3e-5, 10)
    expect(thrifty.summary.proposed_cost).toBeCloseTo(1_000 * 1e-7 + 100 * 2e-7, 10)
    const floor = evaluateRouting(store.read, { limit: 10, weights: { ...usual, cost_weight: 1, accuracy_floor: 0.6 } })
    expect(floor.verdicts[0]).toMatchObject({ proposed_model: 'strong/m', verdict: 'same' })
  })

  test('have no part in what an operator, the cache or a canary chose, nor where nothing could be used or nothing is known', () => {
    const { store } = temporaryStore()
    choose(store, { turn: 'operator', at: time(1), override: 'strong/m', strategy: 'override_usable' })
    choose(store, { turn: 'cache', at: time(2), strategy: 'cached_exact' })
    choose(store, { turn: 'canary', at: time(3), selected: 'new/m' })
    choose(store, { turn: 'nothing usable', at: time(4), blocked: ['strong/m', 'cheap/m'] })
    choose(store, { turn: 'an earlier build', at: time(5), known: {} })
    choose(store, { turn: 'counts', at: time(6), selected: 'cheap/m', blocked: ['strong/m'] })
    const told = evaluateRouting(store.read, { limit: 10, weights: usual })
    expect(told).toMatchObject({ rows_considered: 1, summary: { total_rows: 6, passed_over: 5, agreement: 1 } })
    expect(told.verdicts[0]).toMatchObject({ turn_id: 'counts', proposed_model: 'cheap/m' })
  })

  test('that are those of then choose what the service chose, whatever it knew of its models', () => {
    const { store } = temporaryStore()
    const random = seededRandom(11)
    const routing = { mode: 'metascore' as const, cost_aware: true, accuracy_floor: 0.45, accuracy_min_obs: 3 }
    const providers = ['a', 'b', 'c', 'd'].map((name) =>
      providerAt(name, 'http://a', {
        is_local: name === 'd',
        tier: (['T1', 'T2', 'T3', 'T4'] as const)[Math.floor(random() * 4)] ?? null,
        ...{ cost_per_input_token: random() * 1e-5, cost_per_output_token: random() * 3e-5 },
      }),
    )
    const settings = settingsWith(providers, { routing })
    for (let n = 0; n < 40; n++) {
      const quality = new Quality()
      for (const { name } of providers)
        for (let seen = Math.floor(random() * 6); seen > 0; seen--) quality.observe(`${name}/m`, random(), name === 'd')
      const tools = {
        breakers: new Breakers(settings.breaker, [], { now: () => 0, random: () => 0.5, onTransition: () => {} }),
        ...{ capacity: new Capacity(() => 0), quality, random: () => 1, nextTurn: () => 0 },
      }
      const request = requestWith({ complexity: random() })
      const { selection } = selectModel({ request, pinned: undefined, settings }, tools)
      const turn = { turn_id: `turn ${n}`, session_id: 's', agent_id: 'keel', channel: 'api', user_text: 'a question' }
      recordSelection(store.write, { ...turn, selection })
    }
    const told = evaluateRouting(store.read, { limit: 100, weights: { ...routing, cost_weight: null } })
    expect(told.summary).toMatchObject({ agreement: 1, changed_rows: 0 })
    expect(told.rows_considered).toBeGreaterThan(30)
    expect(new Set(told.verdicts.map(({ selected_model }) => selected_model)).size).toBeGreaterThan(2)
    const other = evaluateRouting(store.read, { limit: 100, weights: { ...usual, cost_weight: 0.9 } })
    expect(other.summary.changed_rows).toBeGreaterThan(0)
  })
})
