import type { z } from 'zod'
import { metascoreOf } from '#sdk/routing/metascore.ts'
import type { InferenceSettings, routingProfile } from '#sdk/services/inference.ts'
import { featuresOf } from './metascore.ts'
import { configuredModels, providerOf, splitModel } from './model-names.ts'
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
    const features = featuresOf(model, { settings, capacity, quality, complexity, blocked })
    return {
      model_name: model,
      is_local: provider?.is_local ?? false,
      cost_per_input_token: features.input_price,
      cost_per_output_token: features.output_price,
      estimated_quality: features.efficacy,
      availability: features.availability,
      capacity_headroom: provider ? capacity.status(provider).headroom : 0,
      observation_count: features.observations,
      ...quality.grades(model),
      metascore: metascoreOf(features, settings.routing),
    }
  })
}
