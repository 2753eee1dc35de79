import type { z } from 'zod'
import { isBelowFloor } from '#sdk/routing/metascore.ts'
import type { candidate, InferenceRequest, InferenceSettings } from '#sdk/services/inference.ts'
import { estimateInputTokens } from './answer.ts'
import type { Breakers } from './breakers.ts'
import { budgetNames } from './budget-refusal.ts'
import type { CallBudget } from './call-budget.ts'
import { configuredModels, providerOf, splitModel } from './model-names.ts'
import { costOf, priceOf } from './prices.ts'
import type { Quality } from './quality.ts'

export type Candidate = z.infer<typeof candidate>
type Source = Candidate['source']

export const overCostNote = 'expected cost over the limit'

export interface CandidateQuestion {
  request: InferenceRequest
  /** The model the caller names; undefined when the router chooses. */
  pinned: string | undefined
  settings: InferenceSettings
  /** Absent where no budget applies. */
  budget?: CallBudget | undefined
}

/** Every model that might answer, in the configured order, an operator's override first. */
export function listCandidates(
  question: CandidateQuestion,
  tools: { breakers: Breakers; quality: Quality },
): Candidate[] {
  const { request, pinned, settings } = question
  const judge = (model: string, source: Source) => judgeCandidate(model, source, question, tools)
  if (pinned !== undefined) {
    const others = request.fallback ? settings.fallbacks.filter((model) => model !== pinned) : []
    return [judge(pinned, 'pinned'), ...[...new Set(others)].map((model) => judge(model, 'fallback_ordered'))]
  }
  const { override, routing } = settings
  const ordered = configuredModels(settings)
    .map((model, index) => ({ model, source: sourceOf(routing.mode, index) }))
    .filter(({ model }) => model !== override)
    .map(({ model, source }) => judge(model, source))
  return override === null ? ordered : [judge(override, 'override'), ...ordered]
}

function sourceOf(mode: InferenceSettings['routing']['mode'], index: number): Source {
  if (mode === 'metascore') return 'metascore_candidate'
  if (mode === 'round_robin') return 'round_robin'
  return index === 0 ? 'primary_ordered' : 'fallback_ordered'
}

/** Judges one model: may it be used, and if not, why. */
export function judgeCandidate(
  model: string,
  source: Source,
  { request, settings, budget }: CandidateQuestion,
  { breakers, quality }: { breakers: Breakers; quality: Quality },
): Candidate {
  const { routing, model_overrides: overrides } = settings
  const provider = providerOf(settings, model)
  const isAvailable = provider !== undefined && provider.key_status !== 'missing'
  const isBlocked = breakers.find(splitModel(model).provider)?.admission() === 'blocked'
  const efficacy = quality.mean(model) ?? 0
  // A model that someone names is their choice, whatever its record.
  const isNamed = source === 'pinned' || source === 'override'
  const isGated = !isNamed && isBelowFloor({ efficacy, observations: quality.count(model) }, routing)

  let note: string | undefined
  if (!isAvailable) note = 'no provider configured for model'
  else if (routing.blocked_models.includes(model)) note = 'model on config blocklist'
  else if (isBlocked) note = 'provider breaker open'
  else if (isGated) note = `quality ${efficacy.toFixed(2)} < floor ${routing.accuracy_floor.toFixed(2)}`
  else if (request.max_cost !== null) {
    const tokens = {
      tokens_in: estimateInputTokens(request),
      tokens_out: request.max_tokens ?? routing.estimated_output_tokens,
    }
    if (costOf(priceOf(model, provider, overrides), tokens) > request.max_cost) note = overCostNote
  }
  const refusal = note === undefined ? budget?.refusalOf(model) : undefined
  if (refusal) note = `over ${budgetNames[refusal.scope]}`
  const soft = budget?.softLine
  return {
    model,
    source,
    provider_available: isAvailable,
    breaker_blocked: isBlocked,
    usable: note === undefined,
    note: note ?? (soft ? `usable; ${budgetNames[soft.scope]} is past its soft line` : 'usable'),
    ...(refusal ? { over_budget: refusal.scope } : {}),
    ...(isGated ? { quality_gated: true } : {}),
  }
}
