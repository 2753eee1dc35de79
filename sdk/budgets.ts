import { z } from 'zod'
import { count, dollars, time } from './contracts/values.ts'

/**
 * What has a budget: all of Keel; each session, over its whole life; each scheduled job, each sub-agent and each API
 * key. All but a session's count within the UTC day.
 */
export const budgetScopes = ['day', 'session', 'job', 'subagent', 'api_key'] as const
export const budgetScope = z.enum(budgetScopes)
export type BudgetScope = z.infer<typeof budgetScope>

export const budgetMeasure = z.enum(['cost', 'tokens'])
export type BudgetMeasure = z.infer<typeof budgetMeasure>

/** On whose account a call goes; null where there is no such one. `api_key` names who used a key, and is not the key. */
export const account = z.object({
  session_id: z.string().nullable().default(null),
  job_id: z.string().nullable().default(null),
  subagent_id: z.string().nullable().default(null),
  api_key: z.string().nullable().default(null),
})
export type Account = z.infer<typeof account>

export const noAccount: Account = account.parse({})

/** The key under which a scope counts an account; null where it has none. The day has one account, without a name. */
export function keyOf(scope: BudgetScope, { session_id, job_id, subagent_id, api_key }: Account): string | null {
  const keys = { day: '', session: session_id, job: job_id, subagent: subagent_id, api_key }
  return keys[scope]
}

/** A model that may say less than this says nothing of use. */
export const minAnswerTokens = 256

/** Which lines a scope has: from `hard` on nothing is let go, from `soft` on the cheaper is preferred. */
const lineKind = z.enum(['soft', 'hard']).nullable()

/** What the inference service must know to tell which calls a budget applies to. */
export const budgetSettings = z.object({
  scopes: z.record(budgetScope, z.object({ cost: lineKind, tokens: lineKind })),
  /** What a call may answer at most that names no limit and that a hard line applies to. */
  max_output_tokens: count,
})
export type BudgetSettings = z.infer<typeof budgetSettings>

/** Dollars or tokens. `spent` holds what may have been billed by calls whose end nobody saw. */
const used = z.object({ spent: z.number(), reserved: z.number() })

/** Where an account stands with one of its scope's lines. */
export const budgetStanding = used.extend({
  scope: budgetScope,
  key: z.string(),
  measure: budgetMeasure,
  soft: z.number().nullable(),
  hard: z.number().nullable(),
  /** When it counts from nothing again; null: never. */
  begins_anew_at: time.nullable(),
})
export type BudgetStanding = z.infer<typeof budgetStanding>

/** A hard line that a call would pass, or might. */
export const budgetRefusal = budgetStanding.omit({ soft: true }).extend({ hard: z.number() })
export type BudgetRefusal = z.infer<typeof budgetRefusal>

/** The most that a call may come to. */
export const worstCase = z.object({ cost: dollars, tokens: count })
export type WorstCase = z.infer<typeof worstCase>
