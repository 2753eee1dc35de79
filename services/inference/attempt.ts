import type { InferenceChunk, InferenceRequest, InferenceSettings, ProviderSettings } from '#sdk/services/inference.ts'
import { type Answer, answerCollector, estimateInputTokens } from './answer.ts'
import type { Reservation } from './budget-desk.ts'
import type { CallBudget } from './call-budget.ts'
import { type FailureCategory, failureTable, toUpstreamFailure, UpstreamFailure } from './failure.ts'
import { splitModel } from './model-names.ts'
import { costOf, priceOf } from './prices.ts'
import { providerByFormat } from './providers/provider-by-format.ts'
import { scoreAnswer } from './quality.ts'
import type { Router } from './router.ts'

export interface AttemptInput {
  request: InferenceRequest
  settings: InferenceSettings
  provider: ProviderSettings
  /** `provider/model`. */
  model: string
  /** The breaker is open, and the call is made all the same. */
  isRisk: boolean
  /** Another model was chosen, and failed. */
  isFallback: boolean
  /** Absent where no budget applies. */
  budget: CallBudget | undefined
  signal: AbortSignal
  /** Aborts while nothing of the answer has been passed on; it is given up with the first delta. */
  untilFirstDelta: AbortSignal
  /** Called with what the caller is to see; absent when only the whole answer is wanted. */
  emit: ((chunk: InferenceChunk) => Promise<void>) | undefined
}

type RoutingSettings = InferenceSettings['routing']

export interface AttemptResult {
  answer: Answer
  cost: number
  quality: number
}

/** A provider that took the request and then ended in one of these ways may have worked on it all the same. */
const silentlyBilled = new Set<FailureCategory>(['timeout', 'reset', 'empty_answer', 'too_large'])

/**
 * One call to one provider, and what it teaches: the breaker, the capacity window, the model's record and the ledger
 * all hear of it. Fails with an UpstreamFailure, or with the caller's reason when the caller went away.
 */
export async function attemptModel(router: Router, input: AttemptInput): Promise<AttemptResult> {
  const { request, settings, provider, model, signal, untilFirstDelta } = input
  // Before any clock runs: the first call of a format loads its SDK.
  const ask = await providerByFormat[provider.format]()
  const giveBack = await router.slotsOf(provider.name).take(signal, untilFirstDelta)
  const { maxTokens, reservation } = await setAside(input).catch((thrown: unknown) => {
    giveBack()
    throw thrown
  })
  const breaker = router.breakers.of(provider.name)
  if (!input.isRisk && breaker.admission() === 'blocked') {
    giveBack()
    reservation?.release()
    throw new UpstreamFailure('breaker', 'The breaker has opened, or its probe is under way')
  }
  const call = breaker.begin()
  const expected = estimateInputTokens(request) + (request.max_tokens ?? settings.routing.estimated_output_tokens)
  const settle = router.capacity.reserve(provider.name, expected)
  const startedAt = router.now()
  const collector = answerCollector(request)
  const watch = callWatch(signal, untilFirstDelta, settings.routing)
  const price = priceOf(model, provider, settings.model_overrides)
  // What an old question is answered under changed terms says nothing about how a model does its work.
  const teaches = request.purpose !== 'replay'

  function cutOff(): void {
    if (watch.wasAccepted) record(collector.partialUsage(), null)
    else reservation?.release()
  }
  router.cutOffs.add(cutOff)

  function record(usage: Answer['usage'], qualityScore: number | null): number {
    const cost = costOf(price, usage)
    router.recordCost({
      request,
      model,
      usage,
      cost,
      latencyMs: router.now() - startedAt,
      qualityScore,
      escalation: input.isFallback,
      tokensSaved: null,
      // A call without an answer is followed by another, or by none: the question counts once, with what answers it.
      cacheLevel: qualityScore !== null && request.cache_scope !== null && settings.cache.enabled ? 'miss' : null,
      reservation: reservation?.id ?? null,
    })
    return cost
  }

  try {
    const deltas = ask({
      settings: provider,
      model: splitModel(model).bare,
      request: maxTokens === request.max_tokens ? request : { ...request, max_tokens: maxTokens },
      signal: watch.signal,
      onAccepted: watch.accepted,
      onBytes: watch.bytes,
    })
    try {
      for await (const delta of deltas) {
        const chunk = collector.add(delta)
        if (!chunk || !input.emit) continue
        watch.answering()
        call.heard()
        await watch.pausedWhile(input.emit(chunk))
      }
    } catch (thrown) {
      // After its finish reason an answer lacks nothing but figures.
      if (signal.aborted || !collector.hasFinished) throw thrown
    }
    const answer = collector.finish()
    const quality = scoreAnswer(answer, router.now() - startedAt)
    call.succeed()
    if (teaches) router.quality.observe(model, quality, provider.is_local)
    settle(answer.usage.tokens_in + answer.usage.tokens_out)
    return { answer, cost: record(answer.usage, teaches ? quality : null), quality }
  } catch (thrown) {
    const failure = signal.aborted ? undefined : toUpstreamFailure(thrown)
    const mayBeBilled = watch.wasAccepted && (!collector.isEmpty || !failure || silentlyBilled.has(failure.category))
    const usage = collector.partialUsage()
    settle(mayBeBilled ? usage.tokens_in + usage.tokens_out : 0)
    if (mayBeBilled) record(usage, null)
    else reservation?.release()
    if (!failure) {
      call.release()
      throw signal.reason
    }
    call.fail(failure.category, failure.facts.retryAfterMs)
    if (teaches && failureTable[failure.category].quality) router.quality.observe(model, 0, provider.is_local)
    throw failure
  } finally {
    router.cutOffs.delete(cutOff)
    watch.close()
    giveBack()
  }
}

/** What the budgets allow the model to answer, and what they hold for it; a failure where they hold nothing any more. */
async function setAside({
  budget,
  request,
  model,
  signal,
}: AttemptInput): Promise<{ maxTokens: number | undefined; reservation?: Reservation }> {
  if (!budget) return { maxTokens: request.max_tokens }
  const reserved = await budget.reserve(model, signal)
  if ('refusal' in reserved) throw new UpstreamFailure('budget', 'Others have spent or reserved what was left')
  return reserved
}

/**
 * Ends a call when its caller goes away, when it says nothing for too long, or when the time for an answer is over. Once
 * the answer has begun, that time counts anew with each delta: signs of life alone do not hold a caller for ever.
 */
function callWatch(
  caller: AbortSignal,
  untilFirstDelta: AbortSignal,
  { per_provider_timeout_seconds: silenceSeconds, max_total_inference_seconds: totalSeconds }: RoutingSettings,
) {
  const abort = new AbortController()
  let lastDeltaAt: number | undefined
  let isPaused = false
  let wasAccepted = false
  const timer = setTimeout(() => {
    if (isPaused) timer.refresh()
    else abort.abort(timeoutFailure('per_provider_timeout_seconds', silenceSeconds))
  }, silenceSeconds * 1000)
  const onCaller = () => abort.abort(caller.reason)
  const onDeadline = () => abort.abort(untilFirstDelta.reason)
  caller.addEventListener('abort', onCaller, { once: true })
  untilFirstDelta.addEventListener('abort', onDeadline, { once: true })
  if (caller.aborted) onCaller()
  else if (untilFirstDelta.aborted) onDeadline()

  return {
    signal: abort.signal,
    get wasAccepted() {
      return wasAccepted
    },
    accepted() {
      wasAccepted = true
    },
    bytes() {
      timer.refresh()
      if (lastDeltaAt !== undefined && performance.now() - lastDeltaAt > totalSeconds * 1000)
        abort.abort(timeoutFailure('max_total_inference_seconds', totalSeconds))
    },
    answering() {
      untilFirstDelta.removeEventListener('abort', onDeadline)
    },
    /** A slow reader is not the provider's silence. */
    async pausedWhile(work: Promise<void>) {
      isPaused = true
      await work
      isPaused = false
      lastDeltaAt = performance.now()
      timer.refresh()
    },
    close() {
      clearTimeout(timer)
      caller.removeEventListener('abort', onCaller)
      untilFirstDelta.removeEventListener('abort', onDeadline)
    },
  }
}

/** The failure of a call that a setting has cut short. */
export function timeoutFailure(setting: string, seconds: number): UpstreamFailure {
  const limitedBy = `models.routing.${setting} = ${seconds}`
  return new UpstreamFailure('timeout', `No answer within ${limitedBy}`, { limitedBy })
}
