import { z } from 'zod'
import { jsonObject } from '../contracts/values.ts'

/** The bounds of what a job does. */
export const payloadBounds = {
  textBytes: 32_768,
  urlBytes: 2_048,
  bodyBytes: 65_536,
  headers: 32,
  /** What is kept of a run's output, in bytes. */
  outputBytes: 65_536,
} as const

const text = z.string().trim().min(1).max(payloadBounds.textBytes)

/** A request to any address that the egress guard lets through. An answer of 2xx is a success. */
export const httpCall = z.object({
  url: z.url({ protocol: /^https?$/ }).max(payloadBounds.urlBytes),
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD']).default('POST'),
  headers: z
    .record(
      z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/),
      z
        .string()
        .max(4_096)
        .regex(/^[\t\x20-\x7e\x80-\xff]*$/),
    )
    .refine(
      (headers) => Object.keys(headers).length <= payloadBounds.headers,
      `at most ${payloadBounds.headers} headers`,
    )
    .default({}),
  /** Text as it is; anything else is sent as JSON. */
  body: z.union([z.string().max(payloadBounds.bodyBytes), jsonObject, z.array(z.unknown())]).optional(),
})
export type HttpCall = z.infer<typeof httpCall>

/** What a job does when it is due, by `action`. */
export const cronPayload = z.discriminatedUnion('action', [
  /** A turn of the agent in a session of the job's own. */
  z.object({ action: z.literal('agent_task'), task: text, model: z.string().max(256).optional() }),
  /** A message of the agent in a conversation; no model is asked. */
  z.object({ action: z.literal('remind'), text, session_id: z.string().max(256) }),
  z.object({ action: z.literal('tool_call'), tool: z.string().min(1).max(128), input: jsonObject.default({}) }),
  httpCall.extend({ action: z.literal('http') }),
  z.object({ action: z.literal('log'), message: text }),
  z.object({ action: z.literal('metric_snapshot') }),
  z.object({ action: z.literal('expire_sessions'), ttl_seconds: z.int().min(60).max(315_360_000).default(86_400) }),
  z.object({
    action: z.literal('record_transaction'),
    amount: z.number(),
    tx_type: z.string().min(1).max(64).default('cron'),
    currency: z.string().min(1).max(16).default('USD'),
    counterparty: z.string().max(256).optional(),
    tx_hash: z.string().max(256).optional(),
  }),
  z.object({ action: z.literal('consolidate_memory') }),
  /** A copy of the database in the home's `backups`; the newest `keep` stay. */
  z.object({ action: z.literal('backup'), keep: z.int().min(1).max(365).default(7) }),
  /** Removes finished runs of all jobs that are older than `older_than_days`. */
  z.object({ action: z.literal('prune_runs'), older_than_days: z.int().min(1).max(3_650).default(30) }),
  /** Removes what is older than `[retention]` keeps it. */
  z.object({ action: z.literal('prune') }),
  z.object({ action: z.literal('noop') }),
])
export type CronPayload = z.infer<typeof cronPayload>
export type CronAction = CronPayload['action']
