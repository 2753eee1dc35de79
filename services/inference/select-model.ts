import { type ModelFeatures, metascoreOf } from '#sdk/routing/metascore.ts'
import type { InferenceSettings, Selection } from '#sdk/services/inference.ts'
import type { Breakers } from './breakers.ts'
import { type Candidate, type CandidateQuestion, judgeCandidate, listCandidates } from './candidates.ts'
import type { Capacity } from './capacity.ts'
import { complexityOf } from './complexity.ts'
import { featuresOf, localBias } from './metascore.ts'
import { configuredModels, providerOf } from './model-names.ts'
import { priceOf } from './prices.ts'
import type { Quality } from './quality.ts'

export interface SelectionTools {
  breakers: Breakers
  capacity: Capacity
  quality: Quality
  /** 0 to 1, as Math.random. */
  random: () => number
  /** Counts up with each round-robin choice. */
  nextTurn: () => number
}

export interface Choice {
  selection: Selection
  /** Usable models in the order in which they are tried. */
  order: string[]
}

interface Decision {
  strategy: string
  order: string[]
}

/** What a strategy ends in that a soft line has changed. */
const thriftySuffix = '_budget'
/** How much of the choice between models is what they cost, past a soft line. */
const thriftyCostWeight = 0.8

/**
 * Chooses the model and says why: the one the caller names or an operator's override, then by metascore, in turn or in
 * the configured order, and the primary as a last resort. Every candidate appears with what speaks against it.
 */
export function selectModel(question: CandidateQuestion, tools: SelectionTools): Choice {
  const { settings, pinned } = question
  const complexity = complexityOf(question.request)
  const primary = pinned ?? configuredModels(settings)[0] ?? ''
  const candidates = listCandidates(question, tools)
  const isScored = pinned === undefined && settings.routing.mode === 'metascore'
  // Kept of a turn's choice, so that it can be replayed with other weights.
  const isKept = pinned === undefined && question.request.purpose === 'turn'
  const features = isScored || isKept ? allFeatures(candidates, complexity, settings, tools) : {}
  const { routing } = thriftyWhere(question)
  const scores = new Map<string, number>()
  for (const one of isScored ? candidates : []) {
    const score = metascoreOf(features[one.model] as ModelFeatures, routing)
    scores.set(one.model, score)
    one.metascore = round(score)
  }
  const { strategy, order } = decide(question, candidates, scores, complexity, tools)
  const selected = order[0] ?? primary
  const score = scores.get(selected)
  return {
    order,
    selection: {
      selected_model: selected,
      strategy,
      primary_model: primary,
      override_model: settings.override,
      complexity_score: round(complexity),
      candidates,
      metascore_breakdown: score === undefined ? null : breakdown(features[selected] as ModelFeatures, score),
      features: isKept ? features : {},
    },
  }
}

function decide(
  question: CandidateQuestion,
  candidates: Candidate[],
  scores: Map<string, number>,
  complexity: number,
  tools: SelectionTools,
): Decision {
  const usable = candidates.filter((one) => one.usable)
  const order = usable.map(({ model }) => model)
  const [first] = usable
  if (!first) return { strategy: 'last_resort_primary', order }
  if (first.source === 'override') return { strategy: 'override_usable', order }
  if (first.source === 'pinned') return { strategy: 'pinned', order }
  if (question.pinned !== undefined) return inOrder(candidates, order)
  const isThrifty = question.budget?.softLine !== undefined
  if (isThrifty && question.settings.routing.mode !== 'metascore') return byPrice(order, question.settings)
  if (question.settings.routing.mode === 'metascore') return byMetascore(question, order, scores, complexity, tools)
  if (question.settings.routing.mode === 'round_robin') {
    const turn = tools.nextTurn() % order.length
    return { strategy: `round_robin_${turn}`, order: [...order.slice(turn), ...order.slice(0, turn)] }
  }
  return inOrder(candidates, order)
}

function inOrder(candidates: Candidate[], order: string[]): Decision {
  const ordered = candidates.filter(({ source }) => source !== 'override')
  const index = ordered.findIndex(({ model }) => model === order[0])
  return { strategy: index === 0 ? 'primary_usable' : `fallback_usable_${index}`, order }
}

/** The built-in model costs nothing, and is none to prefer for that. */
function isStandIn(settings: InferenceSettings, model: string): boolean {
  return providerOf(settings, model)?.format === 'offline'
}

/** Past a soft line: the cheapest first, in the configured order where several are. */
function byPrice(usable: readonly string[], settings: InferenceSettings): Decision {
  const priceFor = (model: string) => {
    const { input, output } = priceOf(model, providerOf(settings, model), settings.model_overrides)
    return isStandIn(settings, model) ? Number.MAX_VALUE : input + output
  }
  const order = usable.toSorted((left, right) => priceFor(left) - priceFor(right))
  return { strategy: `cheapest${thriftySuffix}`, order }
}

/** Past a soft line costs weigh as much as they may. */
function thriftyWhere({ settings, budget }: CandidateQuestion): InferenceSettings {
  if (!budget?.softLine) return settings
  const { routing } = settings
  return { ...settings, routing: { ...routing, cost_weight: Math.max(routing.cost_weight ?? 0, thriftyCostWeight) } }
}

function byMetascore(
  question: CandidateQuestion,
  usable: string[],
  scores: Map<string, number>,
  complexity: number,
  tools: SelectionTools,
): Decision {
  const { canary_model: canary, canary_fraction: fraction, cost_aware: costAware } = question.settings.routing
  const scoreOf = (model: string) => scores.get(model) ?? 0
  const isThrifty = question.budget?.softLine !== undefined
  const rank = (model: string) =>
    isThrifty && isStandIn(question.settings, model) ? Number.NEGATIVE_INFINITY : scoreOf(model)
  const order = usable.toSorted((left, right) => rank(right) - rank(left))
  const score = `metascore_${scoreOf(order[0] ?? '').toFixed(3)}_c${complexity.toFixed(2)}`
  const suffixes =
    (costAware ? '_cost' : '') + (localBias(tools.quality) === 0 ? '' : '_esc') + (isThrifty ? thriftySuffix : '')
  const isCanary =
    canary !== null &&
    !isThrifty &&
    tools.random() < fraction &&
    judgeCandidate(canary, 'metascore_candidate', question, tools).usable
  if (!isCanary) return { strategy: score + suffixes, order }
  return { strategy: `${score}${suffixes}_canary`, order: [canary, ...order.filter((model) => model !== canary)] }
}

function allFeatures(
  candidates: Candidate[],
  complexity: number,
  settings: InferenceSettings,
  { capacity, quality }: SelectionTools,
): Record<string, ModelFeatures> {
  return Object.fromEntries(
    candidates.map(({ model, breaker_blocked: blocked }) => [
      model,
      featuresOf(model, { settings, capacity, quality, complexity, blocked }),
    ]),
  )
}

function breakdown({ input_price: _in, output_price: _out, ...parts }: ModelFeatures, metascore: number) {
  return Object.fromEntries(Object.entries({ ...parts, metascore }).map(([name, value]) => [name, round(value)]))
}

function round(value: number): number {
  return Math.round(value * 1e6) / 1e6
}
