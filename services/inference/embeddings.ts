import { z } from 'zod'
import type { Account } from '#sdk/budgets.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { estimateTokens, type TokenUsage } from '#sdk/messages.ts'
import type { InferenceSettings, ProviderSettings } from '#sdk/services/inference.ts'
import { activeSpan } from '#sdk/telemetry/tracing.ts'
import { hasLine, type Reservation } from './budget-desk.ts'
import { budgetError } from './budget-refusal.ts'
import { failureTable, toUpstreamFailure, UpstreamFailure } from './failure.ts'
import { providerOf, resolveModel, splitModel } from './model-names.ts'
import { costOf, isFree, priceOf } from './prices.ts'
import { endpoint } from './providers/endpoint.ts'
import { parseUpstream, refuseErrorObject } from './providers/provider-call.ts'
import { postJson } from './providers/transport.ts'
import type { Router } from './router.ts'
import { upstreamError } from './upstream-error.ts'
import { mostTextTokens } from './worst-case.ts'

export interface EmbedRequest {
  model: string
  input: string[]
  dimensions?: number | undefined
  /** Who pays. */
  account: Account
}

export interface Embedded {
  model: string
  vectors: number[][]
  usage: TokenUsage
}

/** Google takes no more texts than this at once. */
const googleBatch = 100

export interface Patience {
  /** Shorter than what the settings allow any provider, in milliseconds. */
  limitMs?: number
  /** A breaker that failures opened is passed by: there is no other provider to ask. */
  takesRisks: boolean
}

/** Vectors of texts, in their order. The provider's breaker and the ledger hear of it as of any other call. */
export async function embedTexts(
  router: Router,
  settings: InferenceSettings,
  request: EmbedRequest,
  signal: AbortSignal,
  { limitMs = Number.POSITIVE_INFINITY, takesRisks }: Patience = { takesRisks: true },
): Promise<Embedded> {
  const model = resolveModel(settings, request.model)?.model ?? request.model
  const provider = providerOf(settings, model)
  if (!provider || provider.format === 'offline' || provider.format === 'anthropic') {
    throw new RuntimeError('not_found', `The model ${request.model} makes no embeddings`, { code: 'model_not_found' })
  }
  if (provider.key_status === 'missing') {
    throw upstreamError(new UpstreamFailure('no_provider', 'The key is missing'), [], false)
  }
  activeSpan()?.set({
    'gen_ai.operation.name': 'embeddings',
    'gen_ai.request.model': splitModel(model).bare,
    'keel.provider': provider.name,
  })
  const breaker = router.breakers.of(provider.name)
  if (breaker.admission() === 'blocked' && !(takesRisks && breaker.mayBeRisked)) {
    throw upstreamError(new UpstreamFailure(breaker.blockedBy, 'The breaker is open'), [], false)
  }
  const startedAt = router.now()
  const giveBack = await router.slotsOf(provider.name).take(signal)
  const reservation = await setAside(router, settings, { model, request }, signal).catch((thrown: unknown) => {
    giveBack()
    throw thrown
  })
  const call = breaker.begin()
  const settle = router.capacity.reserve(provider.name, 0)
  try {
    const waitMs = Math.min(limitMs, settings.routing.per_provider_timeout_seconds * 1000)
    const limit = AbortSignal.any([signal, AbortSignal.timeout(waitMs)])
    const { vectors, tokens } = await requestVectors(provider, splitModel(model).bare, request, limit)
    if (vectors.length !== request.input.length) {
      throw new UpstreamFailure('invalid_answer', `${vectors.length} vectors for ${request.input.length} texts`)
    }
    call.succeed()
    const usage = {
      tokens_in: tokens ?? request.input.reduce((sum, text) => sum + estimateTokens(text), 0),
      tokens_out: 0,
      estimated: tokens === undefined,
    }
    settle(usage.tokens_in)
    router.recordCost({
      request: { purpose: 'embedding', turn_id: null, account: request.account },
      model,
      usage,
      cost: costOf(priceOf(model, provider, settings.model_overrides), usage),
      latencyMs: router.now() - startedAt,
      qualityScore: null,
      escalation: false,
      tokensSaved: null,
      cacheLevel: null,
      reservation: reservation?.id ?? null,
    })
    return { model, vectors, usage }
  } catch (thrown) {
    reservation?.release()
    if (signal.aborted) {
      call.release()
      throw signal.reason
    }
    const isTimeout = thrown instanceof Error && thrown.name === 'TimeoutError'
    const failure = isTimeout ? new UpstreamFailure('timeout', 'No embeddings in time') : toUpstreamFailure(thrown)
    call.fail(failure.category, failure.facts.retryAfterMs)
    router.log.warn({ model, category: failure.category }, failureTable[failure.category].text)
    throw upstreamError(failure, [{ model, category: failure.category }], false)
  } finally {
    giveBack()
  }
}

/** What the budgets hold for the vectors, where a hard line applies. */
async function setAside(
  router: Router,
  settings: InferenceSettings,
  { model, request: { input, account } }: { model: string; request: EmbedRequest },
  signal: AbortSignal,
): Promise<Reservation | undefined> {
  const price = priceOf(model, providerOf(settings, model), settings.model_overrides)
  const applies =
    hasLine(settings.budgets, account, 'tokens', 'hard') ||
    (!isFree(price) && hasLine(settings.budgets, account, 'cost', 'hard'))
  if (!applies) return undefined
  const tokens = mostTextTokens(input)
  const worst = { tokens, cost: tokens * price.input }
  const reserved = await router.budgets.reserve({ account, model, worst }, signal)
  if ('reservation' in reserved) return reserved.reservation
  throw budgetError(reserved.refusal)
}

const openaiVectors = z.object({
  data: z.array(z.object({ index: z.number().int().optional(), embedding: z.array(z.number()) })),
  usage: z.object({ prompt_tokens: z.number().int() }).nullish(),
})
const googleVectors = z.object({ embeddings: z.array(z.object({ values: z.array(z.number()) })) })

async function requestVectors(
  provider: ProviderSettings,
  model: string,
  { input, dimensions }: EmbedRequest,
  signal: AbortSignal,
): Promise<{ vectors: number[][]; tokens: number | undefined }> {
  if (provider.format === 'google') {
    const vectors: number[][] = []
    for (let at = 0; at < input.length; at += googleBatch) {
      vectors.push(
        ...(await googleBatchVectors(provider, model, input.slice(at, at + googleBatch), dimensions, signal)),
      )
    }
    return { vectors, tokens: undefined }
  }
  const body = { model, input, ...(dimensions === undefined ? {} : { dimensions }) }
  const response = await postJson(endpoint(provider, '/v1/embeddings'), body, { signal })
  const raw = await response.body.json()
  refuseErrorObject(raw)
  const { data, usage } = parseUpstream(openaiVectors, raw)
  const inOrder = data.toSorted((left, right) => (left.index ?? 0) - (right.index ?? 0))
  return { vectors: inOrder.map(({ embedding }) => embedding), tokens: usage?.prompt_tokens }
}

async function googleBatchVectors(
  provider: ProviderSettings,
  model: string,
  input: string[],
  dimensions: number | undefined,
  signal: AbortSignal,
): Promise<number[][]> {
  const target = endpoint(provider, `/v1beta/models/${encodeURIComponent(model)}:batchEmbedContents`)
  const requests = input.map((text) => ({
    model: `models/${model}`,
    content: { parts: [{ text }] },
    outputDimensionality: dimensions,
  }))
  const response = await postJson(target, { requests }, { signal })
  const raw = await response.body.json()
  refuseErrorObject(raw)
  return parseUpstream(googleVectors, raw).embeddings.map(({ values }) => values)
}
