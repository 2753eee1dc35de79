import { z } from 'zod'
import { toolCall } from '../messages.ts'
import { method, notice, service } from '../service.ts'
import { contextPlan, toolOutcome } from './agent.ts'
import { inferenceChunk, inferenceRequest, inferenceResult, inferenceSettings, savedBreaker } from './inference.ts'
import { guestModules, guestPlugin, hostCall } from './sandbox.ts'
import { toolSettings } from './tools.ts'

/*
 * What services may ask of the kernel: one contract for each, so that a service can do what its work needs and no more.
 */

/** Names the process that may write a turn's next step; an older attempt is refused as `conflict`. */
const step = z.object({ turn_id: z.string(), attempt: z.number().int(), seq: z.number().int() })

export const kernelForAgent = service('kernel', {
  saveContext: method({
    params: step.extend({ plan: contextPlan }),
    result: z.null(),
    timeoutMs: 10_000,
    retry: 'never',
  }),
  /** Stores the step, asks the inference service, stores the result. Asked again with a finished step, it answers from the store. */
  infer: method({
    params: step.extend({ request: inferenceRequest }),
    chunk: inferenceChunk,
    result: inferenceResult,
    timeoutMs: 600_000,
    retry: 'never',
  }),
  /** Judges, stores, runs, stores. A step that began in an older attempt runs again only if the tool is idempotent. */
  callTool: method({
    params: step.extend({ call: toolCall }),
    result: toolOutcome,
    timeoutMs: 600_000,
    retry: 'never',
  }),
})

/** One call that was, or may have been, billed. */
export const costRecord = z.object({
  id: z.string(),
  model: z.string(),
  provider: z.string(),
  tokens_in: z.number().int(),
  tokens_out: z.number().int(),
  /** Dollars. */
  cost: z.number(),
  /** null for ordinary calls, else `cached`, `analysis`, `nickname`, … */
  tier: z.string().nullable(),
  cached: z.boolean(),
  latency_ms: z.number(),
  quality_score: z.number().nullable(),
  escalation: z.boolean(),
  estimated: z.boolean(),
  tokens_saved: z.number().int(),
  turn_id: z.string().nullable(),
})
export type CostRecord = z.infer<typeof costRecord>

export const cacheEntry = z.object({
  key: z.string(),
  scope: z.string(),
  result: inferenceResult,
  embedding: z.array(z.number()).nullable(),
  expires_at: z.string(),
})
export type CacheEntry = z.infer<typeof cacheEntry>

export const kernelForInference = service('kernel', {
  /** Asked once at start; later changes arrive by `configure`. */
  start: method({
    params: z.object({}),
    result: z.object({
      settings: inferenceSettings,
      breakers: z.array(savedBreaker),
      /** Up to the last 100 quality scores of each model, oldest first. */
      observations: z.record(z.string(), z.array(z.number())),
      cache: z.array(cacheEntry),
    }),
    timeoutMs: 10_000,
    retry: 'never',
  }),
  /** Sent before the answer it belongs to. */
  recordCost: notice(costRecord),
  /** Keeps the breaker and announces the change. */
  saveBreaker: method({
    params: z.object({ breaker: savedBreaker, from: z.string(), reason: z.string() }),
    result: z.null(),
    timeoutMs: 10_000,
    retry: 'never',
  }),
  saveCacheEntry: method({ params: cacheEntry, result: z.null(), timeoutMs: 10_000, retry: 'never' }),
})

export const kernelForTools = service('kernel', {
  start: method({ params: z.object({}), result: toolSettings, timeoutMs: 10_000, retry: 'never' }),
})

export const kernelForSandbox = service('kernel', {
  /** The code of a plugin's version; `not_found` when the plugin is gone or has changed. */
  loadPlugin: method({ params: guestPlugin, result: guestModules, timeoutMs: 10_000, retry: 'never' }),
  /**
   * Performs a host function for a call under way, if that call's plugin was granted it. What fails is told to the
   * guest in the error's own words, those of kind `internal` excepted.
   */
  callHost: method({ params: hostCall, result: z.unknown(), timeoutMs: 120_000, retry: 'never' }),
})
