import { setTimeout as delay } from 'node:timers/promises'
import type { RuntimeError } from '#sdk/errors.ts'
import type { InferenceChunk, InferenceRequest, InferenceResult, InferenceSettings } from '#sdk/services/inference.ts'
import { type AttemptInput, type AttemptResult, timeoutFailure } from './attempt.ts'
import { budgetError } from './budget-refusal.ts'
import { type CallBudget, lookAtBudgets } from './call-budget.ts'
import { failureTable, UpstreamFailure, withoutSecrets } from './failure.ts'
import { providerOf, splitModel } from './model-names.ts'
import type { Router } from './router.ts'
import { type Choice, selectModel } from './select-model.ts'
import { tracedAttempt } from './traced-attempt.ts'
import { blockedByAll, riskiestChoice } from './unusable-models.ts'
import { type Failures, upstreamError } from './upstream-error.ts'

/** How often one target is tried again, and how the wait before that grows, in milliseconds. */
const maxRetries = 2
const retryBaseMs = 250
const maxRetryWaitMs = 10_000

export interface CallInput {
  request: InferenceRequest
  pinned: string | undefined
  settings: InferenceSettings
  signal: AbortSignal
  emit: (chunk: InferenceChunk) => Promise<void>
}

/**
 * Chooses a model and has it answer; when it fails before its first delta, tries it again where that may help and then
 * the next one. The time for all of that is bounded, and its last part is kept for the next model, so that one which
 * only seems to be at work does not use it up; an answer that has begun is bounded by its silences alone.
 */
export async function callModels(router: Router, input: CallInput): Promise<InferenceResult> {
  const { max_total_inference_seconds: totalSeconds, per_provider_timeout_seconds: eachSeconds } =
    input.settings.routing
  const tooLate = () => timeoutFailure('max_total_inference_seconds', totalSeconds)
  const keptMs = Math.min(eachSeconds, totalSeconds / 2) * 1000
  const handOver = new AbortController()
  const deadline = new AbortController()
  let timer = setTimeout(
    () => {
      handOver.abort(tooLate())
      timer = setTimeout(() => deadline.abort(tooLate()), keptMs)
    },
    totalSeconds * 1000 - keptMs,
  )
  const startedAt = router.now()
  let selectedModel: string | undefined
  try {
    for (;;) {
      const budget = await lookAtBudgets(router.budgets, input, input.signal)
      const usable = await usableModels(router, input, budget, deadline.signal)
      if (selectedModel === undefined) await input.emit({ type: 'selected', selection: usable.selection })
      if (usable.refusal) throw usable.refusal
      selectedModel ??= usable.selection.selected_model
      const { answered, failures, firstFailure } = await tryInOrder(
        router,
        { ...input, budget },
        usable,
        selectedModel,
        {
          handOver: handOver.signal,
          deadline: deadline.signal,
        },
      )
      if (answered) return toResult(answered, selectedModel, failures, router.now() - startedAt)
      if (firstFailure) throw upstreamError(firstFailure, failures, false)
      if (deadline.signal.aborted) throw upstreamError(tooLate(), failures, false)
      // Others took every place, or the rest of a budget, between the choice and the call: the choice is made anew.
    }
  } finally {
    clearTimeout(timer)
  }
}

interface Outcome {
  answered?: { model: string } & AttemptResult
  failures: Failures
  /** Of those that were really asked. */
  firstFailure?: UpstreamFailure
}

async function tryInOrder(
  router: Router,
  { request, settings, signal, emit, budget }: CallInput & { budget: CallBudget | undefined },
  { order, isRisk }: UsableModels,
  selectedModel: string,
  { handOver, deadline }: { handOver: AbortSignal; deadline: AbortSignal },
): Promise<Outcome> {
  const maxAttempts = Math.max(1, settings.routing.max_fallback_attempts)
  const outcome: Outcome = { failures: [] }
  let attempts = 0
  let hasEmitted = false
  const emitAs = (model: string) => async (chunk: InferenceChunk) => {
    const isFirst = !hasEmitted
    hasEmitted = true
    if (isFirst && model !== selectedModel) await emit({ type: 'shifted', model })
    await emit(chunk)
  }
  const models = request.fallback ? order : order.slice(0, 1)
  for (const model of models) {
    const provider = providerOf(settings, model)
    if (!provider || deadline.aborted || attempts >= maxAttempts) break
    const attempt: AttemptInput = {
      request,
      settings,
      provider,
      model,
      isRisk,
      isFallback: model !== selectedModel,
      budget,
      signal,
      untilFirstDelta: model === models.at(-1) || handOver.aborted ? deadline : handOver,
      emit: request.stream ? emitAs(model) : undefined,
    }
    const result = await attemptWithRetries(router, attempt, () => hasEmitted)
    if (!(result instanceof UpstreamFailure)) return { ...outcome, answered: { ...result, model } }
    const { category } = result
    outcome.failures.push({ model, category })
    if (category === 'breaker' || category === 'budget') continue
    router.log.warn({ model, category, detail: withoutSecrets(result.message, provider) }, 'a model failed')
    if (hasEmitted) throw upstreamError(result, outcome.failures, true)
    outcome.firstFailure ??= result
    attempts += 1
  }
  return outcome
}

interface UsableModels extends Choice {
  /** The breaker of the one in order is open. */
  isRisk: boolean
  /** Why there is none. */
  refusal?: RuntimeError
}

/** What may be tried, in order. When a probe is under way somewhere and nothing else is left, its verdict is awaited. */
async function usableModels(
  router: Router,
  input: CallInput,
  budget: CallBudget | undefined,
  deadline: AbortSignal,
): Promise<UsableModels> {
  const { request, pinned, settings, signal } = input
  for (;;) {
    const choice = selectModel({ request, pinned, settings, budget }, router)
    const { candidates } = choice.selection
    const unpaid = candidates.filter(({ over_budget }) => over_budget !== undefined).map(({ model }) => model)
    budget?.noteRefusals(unpaid)
    if (choice.order.length > 0) return { ...choice, isRisk: false }
    const blocked = candidates.filter(
      ({ model, note }) => note === 'provider breaker open' && !budget?.refusalOf(model),
    )
    const probes = blocked.flatMap(({ model }) => router.breakers.of(splitModel(model).provider).probing ?? [])
    if (probes.length > 0) {
      await Promise.race([...probes, aborted(AbortSignal.any([signal, deadline]))])
      signal.throwIfAborted()
      if (!deadline.aborted) continue
    }
    const risked = riskiestChoice(blocked, router.breakers)
    if (risked) return { selection: { ...choice.selection, selected_model: risked }, order: [risked], isRisk: true }
    const [refusing] = unpaid.flatMap((model) => budget?.refusalOf(model) ?? [])
    const refusal = refusing ? budgetError(refusing) : blockedByAll(candidates, router.breakers)
    return { ...choice, isRisk: false, refusal }
  }
}

/** Tries one model until it answers, its failure is final, or patience is over; settles with the last failure. */
async function attemptWithRetries(
  router: Router,
  attempt: AttemptInput,
  hasEmitted: () => boolean,
): Promise<AttemptResult | UpstreamFailure> {
  const { provider, signal, untilFirstDelta: deadline } = attempt
  let waitedMs = 0
  let failure: UpstreamFailure | undefined
  for (let retry = 0; ; retry++) {
    try {
      return await tracedAttempt(router, attempt, retry)
    } catch (thrown) {
      if (!(thrown instanceof UpstreamFailure)) throw thrown
      // That nothing pays for another try is no reason why the first one failed.
      if (thrown.category === 'budget' && failure) return failure
      failure = thrown
    }
    const waitMs = Math.max(router.random() * retryBaseMs * 2 ** retry, failure.facts.retryAfterMs ?? 0)
    waitedMs += waitMs
    const isOver =
      retry >= maxRetries ||
      hasEmitted() ||
      !failureTable[failure.category].retry ||
      waitedMs > maxRetryWaitMs ||
      router.breakers.of(provider.name).admission() === 'blocked'
    if (isOver) return failure
    // A wait that is cut short is no failure of its own; what has cut it is looked at next.
    await delay(waitMs, undefined, { signal: AbortSignal.any([signal, deadline]) }).catch(() => {})
    signal.throwIfAborted()
    if (deadline.aborted) return failure
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function toResult(
  { answer, cost, quality, model }: NonNullable<Outcome['answered']>,
  selectedModel: string,
  failures: Failures,
  latencyMs: number,
): InferenceResult {
  return {
    ...answer,
    model,
    selected_model: selectedModel,
    cost,
    latency_ms: latencyMs,
    cached: false,
    cache_level: null,
    tokens_saved: 0,
    quality_score: quality,
    failures,
  }
}
