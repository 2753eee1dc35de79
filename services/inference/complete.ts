import { RuntimeError } from '#sdk/errors.ts'
import type { InferenceChunk, InferenceRequest, InferenceResult, InferenceSettings } from '#sdk/services/inference.ts'
import { activeSpan } from '#sdk/telemetry/tracing.ts'
import { cacheKey, semanticText } from './cache-key.ts'
import { callModels } from './call-models.ts'
import { embedTexts } from './embeddings.ts'
import { type Asker, InFlight } from './in-flight.ts'
import { resolveModel } from './model-names.ts'
import type { CacheHit, ResponseCache } from './response-cache.ts'
import type { Router } from './router.ts'
import { selectModel } from './select-model.ts'

/** How long the cache may take to learn what a question is like, in milliseconds. */
const embeddingTimeoutMs = 3_000
/** A cached answer is replayed in pieces of this many characters. */
const replayChars = 256

/** Answers requests: from the cache, from an identical one under way, or from a model. */
export function completer(router: Router, cache: ResponseCache, currentSettings: () => InferenceSettings) {
  const inFlight = new InFlight()

  return async function complete(request: InferenceRequest, asker: Asker): Promise<InferenceResult> {
    const settings = currentSettings()
    const startedAt = router.now()
    const resolved = resolveModel(settings, request.model)
    if (resolved && !resolved.known) {
      throw new RuntimeError('not_found', `The model ${request.model} is not known`, { code: 'model_not_found' })
    }
    const pinned = resolved?.model
    const scope = cache.enabled ? request.cache_scope : null
    const answer = (to: Asker) => callModels(router, { request, pinned, settings, signal: to.signal, emit: to.emit })
    const isShared = !request.stream && (scope !== null || request.purpose === 'proxy')
    if (scope === null && !isShared) return answer(asker)

    const key = scope === null ? wordsOf(request) : cacheKey(scope, request)
    const exact = scope === null ? undefined : cache.find(key)
    const similarity = scope === null || exact ? undefined : await likeness(request, settings, asker.signal)
    const hit = exact ?? (similarity && cache.findSimilar(key, similarity))
    if (hit) return replay(hit, { request, pinned, settings, asker, startedAt })
    if (scope !== null) cache.countMiss()

    const work = async (to: Asker) => {
      const { clearings } = cache
      const result = await answer(to)
      if (scope !== null && cache.clearings === clearings) cache.store(key, scope, request, result, similarity ?? null)
      return result
    }
    if (!isShared) return work(asker)
    const { result, shared } = await inFlight.join(key, asker, work)
    return shared ? reused({ level: 'exact', result }, request, router.now() - startedAt) : result
  }

  /** The vector of a question that a similar one may answer; without it the cache goes by the exact words. */
  async function likeness(request: InferenceRequest, settings: InferenceSettings, signal: AbortSignal) {
    const text = settings.embedding_model === null ? undefined : semanticText(request)
    if (text === undefined || settings.embedding_model === null) return undefined
    try {
      const asked = { model: settings.embedding_model, input: [text], account: request.account }
      const patience = { limitMs: embeddingTimeoutMs, takesRisks: false }
      return (await embedTexts(router, settings, asked, signal, patience)).vectors[0]
    } catch (err) {
      signal.throwIfAborted()
      router.log.warn({ err }, 'the cache goes without likeness')
      return undefined
    }
  }

  /** The selection is made as for a real call, so that the record says what would have been chosen. */
  async function replay(
    hit: CacheHit,
    call: {
      request: InferenceRequest
      pinned: string | undefined
      settings: InferenceSettings
      asker: Asker
      startedAt: number
    },
  ): Promise<InferenceResult> {
    const { request, pinned, settings, asker, startedAt } = call
    const { selection } = selectModel({ request, pinned, settings }, router)
    await asker.emit({
      type: 'selected',
      selection: { ...selection, selected_model: hit.result.model, strategy: `cached_${hit.level}` },
    })
    if (request.stream) for (const chunk of replayChunks(hit.result)) await asker.emit(chunk)
    return reused(hit, request, router.now() - startedAt)
  }

  function reused({ level, result }: CacheHit, request: InferenceRequest, latencyMs: number): InferenceResult {
    const tokensSaved = result.usage.tokens_in + result.usage.tokens_out
    cache.countHit(level, tokensSaved)
    activeSpan()?.set({ 'keel.cache.level': level })
    const { model, usage } = result
    router.recordCost({
      ...{ request, model, usage, latencyMs, tokensSaved },
      ...{ cost: 0, qualityScore: null, escalation: false, cacheLevel: level, reservation: null },
    })
    return {
      ...result,
      selected_model: model,
      cost: 0,
      latency_ms: latencyMs,
      cached: true,
      cache_level: level,
      tokens_saved: tokensSaved,
      failures: [],
    }
  }
}

/** All that decides an answer, as it was asked: what differs in no more than the order of its keys is asked twice. */
function wordsOf({ request_id: _request, turn_id: _turn, ...rest }: InferenceRequest): string {
  return JSON.stringify(rest)
}

function* replayChunks({ text, reasoning }: InferenceResult): Generator<InferenceChunk> {
  if (reasoning) yield { type: 'reasoning', delta: reasoning }
  // Cut between code points, never inside one.
  for (const [delta] of text.matchAll(new RegExp(`[^]{1,${replayChars}}`, 'gu'))) yield { type: 'text', delta }
}
