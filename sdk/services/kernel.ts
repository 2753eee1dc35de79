import { z } from 'zod'
import { account, budgetRefusal, budgetStanding, worstCase } from '../budgets.ts'
import { channelBounds, channelUpdate } from '../channels/message.ts'
import { platformName } from '../channels/platforms.ts'
import { toolCall } from '../messages.ts'
import { method, notice, service } from '../service.ts'
import { contextPlan, toolOutcome } from './agent.ts'
import { browserSettings, browserState } from './browser.ts'
import { adapterState, channelSettings } from './channels.ts'
import {
  answerGrade,
  inferenceChunk,
  inferenceRequest,
  inferenceResult,
  inferenceSettings,
  savedBreaker,
} from './inference.ts'
import { embeddingStatus, memorySettings, recalled } from './memory.ts'
import { guestModules, guestPlugin, hostCall } from './sandbox.ts'
import { claimPlan, dueJob, runOutcome, schedulerSettings, takenRun } from './scheduler.ts'
import { toolSettings } from './tools.ts'

/*
 * What services may ask of the kernel: one contract for each, so that a service can do what its work needs and no more.
 */

/** Names the process that may write a turn's next step; an older attempt is refused as `conflict`. */
const step = z.object({ turn_id: z.string(), attempt: z.number().int(), seq: z.number().int() })

export const kernelForAgent = service('kernel', {
  /** What the agent remembers that bears on this turn's message. */
  recall: method({
    params: z.object({
      turn_id: z.string(),
      attempt: z.number().int(),
      budget_tokens: z.number().int().min(0),
      /** Of the conversation, and shown to the model anyway. */
      shown_message_ids: z.array(z.string()),
    }),
    result: recalled,
    timeoutMs: 3_000,
    retry: 'never',
  }),
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
  /** What the cache had: its level, or that it was asked in vain; null where it was not asked. */
  cache_level: z.enum(['exact', 'semantic', 'tool_ttl', 'miss']).nullable(),
  turn_id: z.string().nullable(),
  ...account.shape,
  /** What was set aside for it, which it takes the place of. */
  reservation_id: z.string().nullable().default(null),
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
  /** Asked once at start; later changes arrive by `configure`. `holder`: the name under which the process reserves. */
  start: method({
    params: z.object({ holder: z.string(), pid: z.number().int() }),
    result: z.object({
      settings: inferenceSettings,
      breakers: z.array(savedBreaker),
      /** Up to the last 100 quality scores of each model, oldest first. */
      observations: z.record(z.string(), z.array(z.number())),
      /** The last grades that people gave, oldest first. */
      grades: z.array(answerGrade),
      cache: z.array(cacheEntry),
    }),
    timeoutMs: 10_000,
    retry: 'never',
  }),
  /** Sent before the answer it belongs to. Settles its reservation. */
  recordCost: notice(costRecord),
  /** Where an account stands with every line that applies to it. */
  budgetStandings: method({
    params: z.object({ account }),
    result: z.object({ standings: z.array(budgetStanding) }),
    timeoutMs: 5_000,
    retry: 'never',
  }),
  /**
   * Sets aside what a call may come to at worst, in all the scopes of its account or in none: before a byte of it leaves.
   * Never more than all hard lines leave room for.
   */
  reserveBudget: method({
    params: z.object({ id: z.string(), holder: z.string(), model: z.string(), account, worst: worstCase }),
    result: z.object({ refusal: budgetRefusal.nullable() }),
    timeoutMs: 5_000,
    retry: 'never',
  }),
  /** The call has cost nothing. */
  releaseBudget: notice(z.object({ id: z.string() })),
  /** A hard line kept a call from a model. */
  noteHardLine: notice(budgetRefusal),
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

export const kernelForMemory = service('kernel', {
  start: method({ params: z.object({}), result: memorySettings, timeoutMs: 10_000, retry: 'never' }),
  /** Vectors of texts by the configured model, in their order. */
  embed: method({
    params: z.object({ model: z.string(), texts: z.array(z.string()).min(1).max(256) }),
    result: z.object({ vectors: z.array(z.array(z.number())) }),
    timeoutMs: 120_000,
    retry: 'never',
  }),
  /** A language model's answer to a question about a turn; its cost is booked on that turn. */
  ask: method({
    params: z.object({ turn_id: z.string().nullable(), system: z.string(), text: z.string() }),
    result: z.object({ text: z.string() }),
    timeoutMs: 60_000,
    retry: 'never',
  }),
  /** Vectors as base64 of float32, little-endian. Those of entries that are gone or have changed since are passed over. */
  saveEmbeddings: method({
    params: z.object({
      model: z.string(),
      dimensions: z.number().int(),
      rows: z.array(z.object({ seq: z.number().int(), updated_at: z.string(), vector: z.string() })).max(512),
    }),
    result: z.object({ saved: z.array(z.number().int()) }),
    timeoutMs: 30_000,
    retry: 'never',
  }),
  reportEmbedding: notice(embeddingStatus),
})

const clock = z.object({ now: z.number().int() })
const heldRun = z.object({ holder: z.string(), run_id: z.string(), attempt: z.number().int() })

export const kernelForScheduler = service('kernel', {
  /** `holder`: the name under which the process will hold leases. */
  start: method({
    params: z.object({ holder: z.string(), pid: z.number().int() }),
    result: schedulerSettings,
    timeoutMs: 10_000,
    retry: 'never',
  }),
  /** Jobs whose time has come, the longest due first, and when there is something to do again. */
  due: method({
    params: clock.extend({ limit: z.number().int() }),
    result: z.object({
      jobs: z.array(dueJob),
      /** When the next job, the next put-off run or the end of a lease is due; null with none of them. */
      next_at: z.number().int().nullable(),
    }),
    timeoutMs: 10_000,
    retry: 'never',
  }),
  /** In one durable transaction. A plan whose job has changed since, or whose occurrence somebody else has claimed, is passed over. */
  claim: method({
    params: clock.extend({ plans: z.array(claimPlan) }),
    result: z.object({
      /** Plans that held. */
      claimed: z.number().int(),
      /** Runs whose place is taken by a later occurrence. */
      replaced: z.array(z.string()),
    }),
    timeoutMs: 10_000,
    retry: 'never',
  }),
  /** Frees lapsed leases, then hands out runs that wait, oldest first, each with a lease of its own. */
  take: method({
    params: clock.extend({ holder: z.string(), limit: z.number().int() }),
    result: z.object({ runs: z.array(takenRun) }),
    timeoutMs: 10_000,
    retry: 'never',
  }),
  /** Returns those that are no longer the holder's. */
  renew: method({
    params: clock.extend({
      holder: z.string(),
      runs: z.array(z.object({ run_id: z.string(), attempt: z.number().int() })),
    }),
    result: z.object({ lost: z.array(z.string()) }),
    timeoutMs: 10_000,
    retry: 'never',
  }),
  /** The process ends in order: its runs wait for the next one, as if they had not been begun. */
  release: method({ params: z.object({ holder: z.string() }), result: z.null(), timeoutMs: 1_000, retry: 'never' }),
  /** Does what a taken run is for. A turn that was begun by an earlier attempt is waited for, and not begun anew. */
  perform: method({ params: heldRun, result: runOutcome, timeoutMs: 86_500_000, retry: 'never' }),
  /** The clock was set, or the machine slept. */
  reportClockJump: notice(z.object({ by_ms: z.number() })),
  /** False where the run was no longer the holder's: nothing is recorded then. `retry_at`: it waits until then, and is not over. */
  finish: method({
    params: heldRun.extend({ now: z.number().int(), outcome: runOutcome, retry_at: z.number().int().nullable() }),
    result: z.object({ recorded: z.boolean() }),
    timeoutMs: 10_000,
    retry: 'never',
  }),
})

export const kernelForChannels = service('kernel', {
  start: method({ params: z.object({}), result: channelSettings, timeoutMs: 10_000, retry: 'never' }),
  /** How far a platform's updates have been taken; null at first. */
  cursor: method({
    params: z.object({ channel: platformName }),
    result: z.object({ cursor: z.string().nullable() }),
    timeoutMs: 10_000,
    retry: 'never',
  }),
  /** Keeps updates and the new cursor in one durable transaction; what came before is passed over. */
  accept: method({
    params: z.object({
      channel: platformName,
      updates: z.array(channelUpdate).max(channelBounds.updates),
      cursor: z.string().max(4_096).nullable(),
    }),
    result: z.object({ accepted: z.number().int() }),
    timeoutMs: 30_000,
    retry: 'never',
  }),
  /** Bytes of a file that is to be sent, as base64, from `offset` on; empty at its end. */
  readAttachment: method({
    params: z.object({ delivery_id: z.string(), index: z.number().int(), offset: z.number().int() }),
    result: z.object({ data: z.string() }),
    timeoutMs: 30_000,
    retry: 'never',
  }),
  reportAdapter: notice(adapterState),
})

export const kernelForBrowser = service('kernel', {
  start: method({ params: z.object({}), result: browserSettings, timeoutMs: 10_000, retry: 'never' }),
  /** A profile's cookies and storage as JSON text; null where there are none yet. */
  loadProfile: method({
    params: z.object({ profile: z.string() }),
    result: z.object({ state: z.string().nullable() }),
    timeoutMs: 10_000,
    retry: 'never',
  }),
  /** Kept sealed. */
  saveProfile: method({
    params: z.object({ profile: z.string(), state: z.string().max(4_194_304) }),
    result: z.null(),
    timeoutMs: 10_000,
    retry: 'never',
  }),
  reportState: notice(browserState),
})
