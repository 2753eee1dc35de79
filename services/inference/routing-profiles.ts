import type { InferenceRequest, InferenceSettings, RoutingProfile } from '#sdk/services/inference.ts'
import { judgeCandidate } from './candidates.ts'
import { complexityOf } from './complexity.ts'
import { scoreModel } from './metascore.ts'
import { configuredModels, providerOf, tierOf } from './model-names.ts'
import { priceOf } from './prices.ts'
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
    const price = priceOf(model, provider, settings.model_overrides)
    const score = scoreModel(model, { settings, capacity, quality, complexity, blocked: judged.breaker_blocked })
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
      tier: tierOf(settings, model),
      usable: judged.usable,
      note: judged.note,
    }
  })
}
