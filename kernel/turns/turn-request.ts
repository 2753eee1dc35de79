import { z } from 'zod'
import { account } from '#sdk/budgets.ts'
import { authority } from '#sdk/services/agent.ts'
import { turnTrace } from './turn-trace.ts'

/** What is kept of an accepted message so that any later process can answer it. */
export const turnRequest = z.object({
  agent_id: z.string(),
  channel: z.string(),
  authority,
  /** Who wrote, as the way in names them. Turns of earlier builds do not say. */
  sender_id: z.string().nullable().default(null),
  threat_score: z.number(),
  /** What vouched for the sender, and the lowest ceiling that applied. Turns of earlier builds do not say. */
  authority_sources: z.array(z.string()).default([]),
  authority_ceiling: authority.nullable().default(null),
  /** The message's text as the model may see it. */
  model_text: z.string(),
  model: z.string(),
  use_cache: z.boolean(),
  max_seconds: z.number(),
  max_tokens: z.number().nullable(),
  max_cost: z.number().nullable(),
  model_call_timeout_ms: z.number().int().nullable(),
  /** While it is being answered, the same message is refused. Turns of earlier builds have none. */
  message_key: z.string().nullable().default(null),
  /** What beside its session pays for it. Turns of earlier builds do not say. */
  account: account.omit({ session_id: true }).prefault({}),
  /** Deltas are announced on the bus as well. */
  streamed: z.boolean(),
  /** Its place in a trace, which it keeps whichever process goes on with it. Turns of earlier builds have none. */
  trace: turnTrace.nullish(),
})
export type TurnRequest = z.infer<typeof turnRequest>
