import { metascoreOf } from '#sdk/routing/metascore.ts'
import type { InferenceRequest, InferenceSettings, RoutingProfile } from '#sdk/services/inference.ts'
import { judgeCandidate } from './candidates.ts'
import { complexityOf } from './complexity.ts'
import { featuresOf } from './metascore.ts'
import { configuredModels, providerOf, tierOf } from './model-names.ts'
import type { Router } from './router.ts'

/** How the router sees each configured model, and those named beside them, for such a question. */
export function routingProfiles(
  router: Router,
  settings: InferenceSettings,
  request: InferenceRequest,
  also: readonly string[],
): RoutingProfile[] {
  const { capacity, quality } = router
  const complexity = complexityOf(request)
  return [...new Set([...configuredModels(settings), ...also])].map((model) => {
    const provider = providerOf(settings, model)
    const judged = judgeCandidate(model, 'metascore_candidate', { request, pinned: undefined, settings }, router)
    const blocked = judged.breaker_blocked
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
      tier: tierOf(settings, model),
      usable: judged.usable,
      note: judged.note,
    }
  })
}
