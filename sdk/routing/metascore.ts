import { z } from 'zod'

/** What speaks for a model at one moment, 0 to 1 each unless told. */
export const modelFeatures = z.object({
  /** What its answers were worth so far, else what is expected of its tier. */
  efficacy: z.number(),
  cost: z.number(),
  availability: z.number(),
  locality: z.number(),
  fit: z.number(),
  confidence: z.number(),
  /** -0.1 to 0.1: what local answers have been worth speaks for the one kind or the other. */
  bias: z.number(),
  /** How many answers were judged. */
  observations: z.number(),
  /** Dollars per token. */
  input_price: z.number(),
  output_price: z.number(),
})
export type ModelFeatures = z.infer<typeof modelFeatures>

export interface RoutingWeights {
  cost_aware: boolean
  /** 0 to 1; null leaves it to `cost_aware`. */
  cost_weight: number | null
}

export interface AccuracyFloor {
  accuracy_floor: number
  /** So many answers must have been judged before the floor counts. */
  accuracy_min_obs: number
}

const normalWeights = { efficacy: 0.45, cost: 0.15, availability: 0.3, locality: 0.1 }
const costAwareWeights = { efficacy: 0.35, cost: 0.3, availability: 0.25, locality: 0.1 }
const fitWeight = 0.2

/** The weighted sum of what speaks for a model, times the confidence in it. */
export function metascoreOf(features: ModelFeatures, routing: RoutingWeights): number {
  const weights = weightsOf(routing)
  const sum =
    weights.efficacy * features.efficacy +
    weights.cost * features.cost +
    weights.availability * features.availability +
    weights.locality * features.locality -
    fitWeight * (1 - features.fit)
  return features.confidence * sum + features.bias
}

function weightsOf({ cost_weight: weight, cost_aware: costAware }: RoutingWeights) {
  if (weight !== null) return { efficacy: 0.6 * (1 - weight), cost: 0.6 * weight, availability: 0.3, locality: 0.1 }
  return costAware ? costAwareWeights : normalWeights
}

/** Its answers are known to be worth too little. */
export function isBelowFloor(
  { efficacy, observations }: Pick<ModelFeatures, 'efficacy' | 'observations'>,
  { accuracy_floor, accuracy_min_obs }: AccuracyFloor,
): boolean {
  return observations > 0 && observations >= accuracy_min_obs && efficacy < accuracy_floor
}
