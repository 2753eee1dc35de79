import type { ModelFeatures } from '#sdk/routing/metascore.ts'
import type { InferenceSettings } from '#sdk/services/inference.ts'
import type { Capacity } from './capacity.ts'
import { providerOf, type Tier, tierOf } from './model-names.ts'
import { type Price, priceOf } from './prices.ts'
import type { Quality } from './quality.ts'

/** What is expected of a model nobody has seen at work, and how hard a question it is good for. */
const tiers: Record<Tier, { efficacy: number; strength: number }> = {
  T1: { efficacy: 0.45, strength: 0.35 },
  T2: { efficacy: 0.6, strength: 0.6 },
  T3: { efficacy: 0.75, strength: 0.85 },
  T4: { efficacy: 0.85, strength: 1 },
}

const costSteepness = 20
const localityShare = 0.4
const neutralLocality = 0.5
const minLocalAttempts = 5
const maxLocalBias = 0.1

export interface ScoreInput {
  settings: InferenceSettings
  capacity: Capacity
  quality: Quality
  complexity: number
  blocked: boolean
}

export function featuresOf(model: string, input: ScoreInput): ModelFeatures {
  const { settings, quality, complexity } = input
  const { routing } = settings
  const provider = providerOf(settings, model)
  const tier = tiers[tierOf(settings, model)]
  const isLocal = provider?.is_local ?? false
  const headroom = provider ? input.capacity.status(provider).headroom : 0
  const price = priceOf(model, provider, settings.model_overrides)
  const prefersLocal = routing.local_first && complexity < routing.confidence_threshold
  const observations = quality.count(model)
  return {
    efficacy: quality.mean(model) ?? tier.efficacy,
    cost: costComponent(price),
    availability: (input.blocked ? 0 : 1) * headroom,
    locality: prefersLocal ? localityComponent(isLocal, complexity) : neutralLocality,
    fit: 1 - Math.max(0, complexity - tier.strength),
    confidence: Math.min(1, 0.6 + 0.04 * observations),
    bias: localBias(quality) * (isLocal ? 1 : -1),
    observations,
    input_price: price.input,
    output_price: price.output,
  }
}

/** What local answers have been worth so far speaks for or against the next one; 0 until there are enough. */
export function localBias({ local: { attempts, acceptance } }: Quality): number {
  if (attempts < minLocalAttempts) return 0
  return Math.min(Math.max((acceptance - 0.5) * 0.2, -maxLocalBias), maxLocalBias)
}

function costComponent({ input, output }: Price): number {
  return 1 / (1 + costSteepness * (input + output) * 1000)
}

function localityComponent(isLocal: boolean, complexity: number): number {
  return isLocal ? Math.max(0, 1 - localityShare * complexity) : Math.min(1, localityShare * complexity)
}
