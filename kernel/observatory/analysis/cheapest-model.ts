import { offlineProvider } from '#kernel/config/sections/providers.ts'
import { providerOf } from '#kernel/inference/model-name.ts'
import type { RoutingProfile } from '#sdk/services/inference.ts'

export interface ExpectedTokens {
  tokens_in: number
  tokens_out: number
}

/** The model that answers a question of this size for the least; of equals the strongest, then the first configured. */
export function cheapestModel(
  profiles: readonly RoutingProfile[],
  expected: ExpectedTokens,
): RoutingProfile | undefined {
  return profiles
    .filter(({ usable, model_name: model }) => usable && !isOffline(model))
    .toSorted(
      (left, right) =>
        expectedCost(left, expected) - expectedCost(right, expected) || right.tier.localeCompare(left.tier),
    )[0]
}

/** It is no language model. */
export function isOffline(model: string): boolean {
  return providerOf(model) === offlineProvider
}

/** Dollars. A model elsewhere whose price nobody has told may cost anything: it comes after those that can be reckoned. */
function expectedCost(profile: RoutingProfile, { tokens_in, tokens_out }: ExpectedTokens): number {
  const { cost_per_input_token: input, cost_per_output_token: output, is_local: isLocal } = profile
  if (!isLocal && input === 0 && output === 0) return Number.MAX_VALUE
  return input * tokens_in + output * tokens_out
}
