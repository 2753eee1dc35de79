import { z } from 'zod'
import { toolStatus } from '../services/agent.ts'
import { shortField, textField } from './text-field.ts'
import { count, dollars, milliseconds, time } from './values.ts'

/** The longest prompt that takes the place of a recorded one, or is added to it, in bytes. */
const maxPromptBytes = 65_536
/** As long as a message may be, in bytes. */
const maxQuestionBytes = 32_768
const maxAnswerTokens = 1_000_000
const maxRounds = 100

/** What is to be different from the recorded turn; with nothing given, the model that answered is asked again. */
export const replayChanges = z.object({
  /** `provider/model`. */
  model: shortField.optional(),
  /** In the place of the whole system prompt, what it says of untrusted data included. */
  system_prompt: textField(maxPromptBytes).optional(),
  /** After the system prompt. */
  append_prompt: textField(maxPromptBytes).optional(),
  question: textField(maxQuestionBytes).optional(),
  temperature: z.number().min(0, 'must be between 0 and 2').max(2, 'must be between 0 and 2').optional(),
  /** Of each answer of the model. */
  max_tokens: z
    .int()
    .min(1, `must be between 1 and ${maxAnswerTokens}`)
    .max(maxAnswerTokens, `must be between 1 and ${maxAnswerTokens}`)
    .optional(),
  /** Rounds of tools. */
  max_steps: z
    .int()
    .min(0, `must be between 0 and ${maxRounds}`)
    .max(maxRounds, `must be between 0 and ${maxRounds}`)
    .optional(),
})
export type ReplayChanges = z.infer<typeof replayChanges>

/** One call of a turn, or of its replay: texts are cut short and without secrets. */
export const replayStep = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('model'),
    seq: count,
    model: z.string(),
    tokens_in: count,
    tokens_out: count,
    cost: dollars,
    latency_ms: milliseconds,
    cached: z.boolean(),
    text: z.string(),
    /** Names of the tools that it asked for. */
    tools: z.array(z.string()),
  }),
  z.object({
    kind: z.literal('tool'),
    seq: count,
    tool_name: z.string(),
    /** JSON text. */
    input: z.string(),
    status: toolStatus,
    output: z.string(),
    duration_ms: milliseconds,
    /** `ran`: in the turn itself; `recorded`: with the outcome that the same call had in the turn; `simulated`: it was not run. */
    answered: z.enum(['ran', 'recorded', 'simulated']),
  }),
])
export type ReplayStep = z.infer<typeof replayStep>

export const replaySide = z.object({
  /** What answered last; null where nothing did. */
  model: z.string().nullable(),
  /** `ok`, `error`, `limit`, `blocked` or `interrupted`. */
  status: z.string(),
  /** Why it ended so. */
  reason: z.string().nullable(),
  content: z.string(),
  tokens_in: count,
  tokens_out: count,
  cost: dollars,
  latency_ms: milliseconds,
  steps: z.array(replayStep),
})
export type ReplaySide = z.infer<typeof replaySide>

export const replayRecord = z.object({
  replay_id: z.string(),
  turn_id: z.string(),
  created_at: time,
  changes: replayChanges,
  replay: replaySide,
  /** What could not be as it was then, in words. */
  notes: z.array(z.string()),
})
export type ReplayRecord = z.infer<typeof replayRecord>

export const replayReport = replayRecord.extend({
  original: replaySide,
  /** Word by word from the first answer to the second; null where they are too long or too different for that. */
  diff: z.array(z.object({ kind: z.enum(['same', 'removed', 'added']), text: z.string() })).nullable(),
})
export type ReplayReport = z.infer<typeof replayReport>

/** One `data:` value of the stream; after `replay_end` comes the text `[DONE]`. */
export const replayEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('replay_start'), replay_id: z.string(), turn_id: z.string(), model: z.string() }),
  z.object({ type: z.literal('chunk'), delta: z.string() }),
  /** What was sent so far is void; this stands in its place. */
  z.object({ type: z.literal('content_replaced'), content: z.string() }),
  z.object({ type: z.literal('step'), step: replayStep }),
  z.object({ type: z.literal('replay_end'), report: replayReport }),
])
export type ReplayEvent = z.infer<typeof replayEvent>
