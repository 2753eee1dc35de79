import { expect, test } from 'vitest'
import type { InferenceSettings } from '#sdk/services/inference.ts'
import { Breakers } from '../../services/inference/breakers.ts'
import { Capacity } from '../../services/inference/capacity.ts'
import { complexityOf } from '../../services/inference/complexity.ts'
import { resolveModel, splitModel, tierOf } from '../../services/inference/model-names.ts'
import { Quality } from '../../services/inference/quality.ts'
import { selectModel } from '../../services/inference/select-model.ts'
import { providerAt, requestWith, settingsWith } from '../support/inference-service.ts'

const providers = [
  providerAt('cloud', 'http://a', { cost_per_input_token: 1e-5, cost_per_output_token: 3e-5, tier: 'T3' }),
  providerAt('cheap', 'http://b', { cost_per_input_token: 1e-7, cost_per_output_token: 2e-7, tier: 'T2' }),
  providerAt('local', 'http://c', {
    is_local: true,
    key_status: 'not_required',
    tier: 'T1',
    cost_per_input_token: 0,
    cost_per_output_token: 0,
  }),
]
type Change = Parameters<typeof settingsWith>[1]

function select(
  change: Change = {},
  options: {
    pinned?: string
    request?: Parameters<typeof requestWith>[0]
    prepare?: (tools: ReturnType<typeof toolsFor>) => void
  } = {},
) {
  const settings = settingsWith(providers, change)
  const tools = toolsFor(settings)
  options.prepare?.(tools)
  return selectModel({ request: requestWith(options.request), pinned: options.pinned, settings }, tools)
}

function toolsFor(settings: InferenceSettings) {
  let turns = 0
  return {
    breakers: new Breakers(settings.breaker, [], { now: () => 0, random: () => 0.5, onTransition: () => {} }),
    capacity: new Capacity(() => 0),
    quality: new Quality(),
    random: () => 0.5,
    nextTurn: () => turns++,
  }
}

test('takes the primary while it is usable', () => {
  const { selection, order } = select()
  expect(order).toEqual(['cloud/m', 'cheap/m', 'local/m'])
  expect(selection).toMatchObject({ selected_model: 'cloud/m', strategy: 'primary_usable', primary_model: 'cloud/m' })
  expect(selection.candidates).toMatchObject([
    { model: 'cloud/m', source: 'primary_ordered', usable: true, note: 'usable' },
    { model: 'cheap/m', source: 'fallback_ordered' },
    { model: 'local/m', source: 'fallback_ordered' },
  ])
})

test('says what speaks against each candidate', () => {
  const { selection } = select(
    {
      fallbacks: ['cheap/m', 'local/m', 'nobody/m', 'cloud/weak'],
      routing: { blocked_models: ['cheap/m'], accuracy_floor: 0.5, accuracy_min_obs: 2 },
    },
    {
      prepare({ breakers, quality }) {
        breakers.of('local').forceOpen()
        quality.observe('cloud/weak', 0.1, false)
        quality.observe('cloud/weak', 0.2, false)
      },
    },
  )
  expect(selection.candidates.map(({ model, note }) => [model, note])).toEqual([
    ['cloud/m', 'usable'],
    ['cheap/m', 'model on config blocklist'],
    ['local/m', 'provider breaker open'],
    ['nobody/m', 'no provider configured for model'],
    ['cloud/weak', 'quality 0.15 < floor 0.50'],
  ])
  expect(selection.candidates[2]).toMatchObject({ breaker_blocked: true, provider_available: true })
  expect(selection.candidates[3]).toMatchObject({ provider_available: false })
  expect(selection.candidates[4]).toMatchObject({ quality_gated: true })
})

test('goes down the order, and to the primary as a last resort', () => {
  expect(select({ routing: { blocked_models: ['cloud/m', 'cheap/m'] } }).selection).toMatchObject({
    selected_model: 'local/m',
    strategy: 'fallback_usable_2',
  })
  const none = select({ routing: { blocked_models: ['cloud/m', 'cheap/m', 'local/m'] } })
  expect(none.selection).toMatchObject({ selected_model: 'cloud/m', strategy: 'last_resort_primary' })
  expect(none.order).toEqual([])
})

test('an override wins while it is usable', () => {
  const { selection, order } = select({ override: 'local/m' })
  expect(order[0]).toBe('local/m')
  expect(selection).toMatchObject({ strategy: 'override_usable', override_model: 'local/m' })
  expect(selection.candidates.map(({ source }) => source)).toEqual(['override', 'primary_ordered', 'fallback_ordered'])
  expect(select({ override: 'local/m', routing: { blocked_models: ['local/m'] } }).selection.strategy).toBe(
    'primary_usable',
  )
})

test('a pinned model is taken whatever the mode, and falls back only when it may', () => {
  const metascore = { routing: { mode: 'metascore' as const } }
  expect(select(metascore, { pinned: 'local/m' })).toMatchObject({
    order: ['local/m', 'cheap/m'],
    selection: { strategy: 'pinned', selected_model: 'local/m' },
  })
  expect(select(metascore, { pinned: 'local/m', request: { fallback: false } }).order).toEqual(['local/m'])
  const blocked = { routing: { blocked_models: ['cloud/m'] } }
  expect(select(blocked, { pinned: 'cloud/m' }).selection).toMatchObject({
    selected_model: 'cheap/m',
    strategy: 'fallback_usable_1',
  })
})

test('takes turns in round robin', () => {
  const settings = settingsWith(providers, { routing: { mode: 'round_robin' } })
  const tools = toolsFor(settings)
  const chosen = Array.from({ length: 4 }, () =>
    selectModel({ request: requestWith(), pinned: undefined, settings }, tools),
  )
  expect(chosen.map(({ selection }) => selection.selected_model)).toEqual(['cloud/m', 'cheap/m', 'local/m', 'cloud/m'])
  expect(chosen[1]?.selection.strategy).toBe('round_robin_1')
})

test('by metascore, an easy question goes to a light model and a hard one to a strong one', () => {
  const metascore = { routing: { mode: 'metascore' as const } }
  const easy = select(metascore, { request: { complexity: 0 } }).selection
  const hard = select(metascore, { request: { complexity: 1 } }).selection
  expect(easy.selected_model).toBe('local/m')
  expect(hard.selected_model).toBe('cloud/m')
  expect(hard.strategy).toMatch(/^metascore_0\.\d{3}_c1\.00$/)
  expect(hard.metascore_breakdown?.metascore).toBe(hard.candidates.find(({ model }) => model === 'cloud/m')?.metascore)
  expect(
    hard.candidates.every(({ source, metascore: score }) => source === 'metascore_candidate' && score !== undefined),
  ).toBe(true)
})

test('the metascore learns, minds cost, and names what has moved it', () => {
  const learned = select(
    { routing: { mode: 'metascore', cost_aware: true } },
    {
      request: { complexity: 0.5 },
      prepare: ({ quality }) => {
        for (let i = 0; i < 20; i++) {
          quality.observe('local/m', 0.1, true)
          quality.observe('cheap/m', 0.9, false)
        }
      },
    },
  ).selection
  expect(learned.selected_model).toBe('cheap/m')
  expect(learned.strategy).toMatch(/_c0\.50_cost_esc$/)
})

test('the canary gets its share', () => {
  const canary = { mode: 'metascore' as const, canary_model: 'cloud/new', canary_fraction: 0.6 }
  expect(select({ routing: canary }).selection).toMatchObject({
    selected_model: 'cloud/new',
    strategy: expect.stringMatching(/_canary$/),
  })
  expect(select({ routing: { ...canary, canary_fraction: 0.4 } }).selection.selected_model).not.toBe('cloud/new')
})

test('a limit on cost leaves only models under it', () => {
  const { order, selection } = select({}, { request: { max_cost: 0.001 } })
  expect(order).toEqual(['cheap/m', 'local/m'])
  expect(selection.candidates[0]?.note).toBe('expected cost over the limit')
  expect(select({}, { request: { max_cost: 0 } }).order).toEqual(['local/m'])
})

test('capacity used up speaks against a model', () => {
  const limited = providers.map((provider) => ({ ...provider, rpm_limit: provider.name === 'local' ? 1 : null }))
  const settings = { ...settingsWith(providers, { routing: { mode: 'metascore' } }), providers: limited }
  const tools = toolsFor(settings)
  tools.capacity.reserve('local', 10)
  const { selection } = selectModel({ request: requestWith({ complexity: 0 }), pinned: undefined, settings }, tools)
  expect(selection.selected_model).toBe('cloud/m')
})

test('names are resolved: auto, full, bare, unknown', () => {
  const settings = settingsWith([
    providerAt('openrouter', 'http://a', { models: ['vendor/big'] }),
    providerAt('x', 'http://b'),
  ])
  expect(resolveModel(settings, 'auto')).toBeUndefined()
  expect(resolveModel(settings, 'openrouter/vendor/big')).toEqual({ model: 'openrouter/vendor/big', known: true })
  expect(resolveModel(settings, 'vendor/big')).toEqual({ model: 'openrouter/vendor/big', known: true })
  expect(resolveModel(settings, 'm')).toEqual({ model: 'openrouter/m', known: true })
  expect(resolveModel(settings, 'keel/offline')).toEqual({ model: 'keel/offline', known: true })
  expect(resolveModel(settings, '__proto__')).toEqual({ model: '__proto__', known: false })
  expect(splitModel('openrouter/vendor/model').bare).toBe('vendor/model')
})

test.each([
  ['a/ollama-llama', 'T1'],
  ['a/qwen3', 'T1'],
  ['a/gemini-2.5-flash', 'T2'],
  ['a/gpt-5-mini', 'T2'],
  ['a/gemini-2.5-pro', 'T3'],
  ['a/claude-sonnet-4-5', 'T3'],
  ['a/claude-opus-4-5', 'T4'],
  ['a/o3', 'T4'],
  ['a/something', 'T2'],
])('%s is of tier %s', (model, tier) => {
  expect(tierOf(settingsWith([]), model)).toBe(tier)
})

test('a model’s own override and its provider’s tier come before its name', () => {
  const settings = settingsWith(providers, {
    model_overrides: { 'cloud/opus': { tier: 'T1', cost_per_input_token: null, cost_per_output_token: null } },
  })
  expect(tierOf(settings, 'cloud/opus')).toBe('T1')
  expect(tierOf(settings, 'cheap/opus')).toBe('T2')
})

test('complexity grows with what is asked', () => {
  const score = (text: string) => complexityOf(requestWith({ text }))
  const plan = `Compare and design a plan. You must not exceed the budget:\n1. Analyse\n2. Implement\n3. Evaluate trade-offs\n\`\`\`ts\ncode\n\`\`\`\n${'Details matter here. '.repeat(100)}`
  expect(score('hi')).toBeLessThan(0.1)
  expect(score('Why is the sky blue, and why are sunsets red?')).toBeGreaterThan(score('hi'))
  expect(score(plan)).toBeGreaterThan(0.7)
  expect(complexityOf(requestWith({ text: plan, complexity: 0.2 }))).toBe(0.2)
})
