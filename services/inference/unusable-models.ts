import { RuntimeError } from '#sdk/errors.ts'
import type { Breakers } from './breakers.ts'
import { type Candidate, overCostNote } from './candidates.ts'
import { type FailureCategory, failureTable } from './failure.ts'
import { splitModel } from './model-names.ts'

/** Of models kept out by failures alone, the one whose time is up first: better a risk than no answer at all. */
export function riskiestChoice(blocked: Candidate[], breakers: Breakers): string | undefined {
  const breakerOf = (model: string) => breakers.of(splitModel(model).provider)
  return blocked
    .map(({ model }) => model)
    .filter((model) => breakerOf(model).mayBeRisked)
    .sort((left, right) => breakerOf(left).retryAt - breakerOf(right).retryAt)[0]
}

/** Why none of the candidates can be used, as an error. */
export function blockedByAll(candidates: Candidate[], breakers: Breakers): RuntimeError {
  if (candidates.some(({ note }) => note === overCostNote)) {
    return new RuntimeError('forbidden', 'Every usable model is expected to cost more than the limit allows', {
      code: 'cost_limit',
    })
  }
  const failures = candidates.map(({ model, note }) => ({ model, category: categoryOf(model, note, breakers) }))
  // What keeps a provider out tells more than that another one is not configured.
  const category = failures.map((one) => one.category).find((one) => one !== 'no_provider') ?? 'no_provider'
  return new RuntimeError('upstream_failed', failureTable[category].text, { category, failures })
}

function categoryOf(model: string, note: string, breakers: Breakers): FailureCategory {
  if (note === 'provider breaker open') return breakers.of(splitModel(model).provider).blockedBy
  return note === 'no provider configured for model' ? 'no_provider' : 'breaker'
}
