import type { z } from 'zod'
import type { InferenceSettings, routingProfile } from '#sdk/services/inference.ts'
import { scoreModel } from './metascore.ts'
import { configuredModels, providerOf, splitModel } from './model-names.ts'
import { priceOf } from './prices.ts'
import type { Router } from './router.ts'

/** How the router sees each configured model, for a question of the given difficulty. */
export function routingProfiles(
  { breakers, capacity, quality }: Router,
  settings: InferenceSettings,
  complexity: number,
): z.infer<typeof routingProfile>[] {
  return configuredModels(settings).map((model) => {
    const provider = providerOf(settings, model)
    const blocked = breakers.find(splitModel(model).provider)?.admission() === 'blocked'
    const price = priceOf(model, provider, settings.model_overrides)
    const score = scoreModel(model, { settings, capacity, quality, complexity, blocked })
    return {
      model_name: model,
      is_local: provider?.is_local ?? false,
      cost_per_input_token: price.input,
      cost_per_output_token: price.output,
      estimated_quality: score.efficacy,
      availability: score.availability,
      capacity_headroom: provider ? capacity.status(provider).headroom : 0,
      observation_count: quality.count(model),
      metascore: score.metascore,
    }
  })
}
