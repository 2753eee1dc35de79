import { z } from 'zod'
import { count, dollars, fraction, milliseconds } from './values.ts'

/** Where a part of the context is from; what does not apply is null. */
const contextSource = z.object({
  /** Of the message, the memory or the skill. */
  id: z.string().nullable(),
  /** Of the skill or the tool, the tier of a memory, the role of a message. */
  name: z.string().nullable(),
  /** The hash of a skill, the plugin or skill that brought a tool, whose words a memory is. */
  origin: z.string().nullable(),
})
export type ContextSource = z.infer<typeof contextSource>

/** `skill_index`: the list of skills that can be loaded. `memory_frame`: the marks and headings around memories. */
const contextBlockKind = z.enum([
  'system_prompt',
  'skill',
  'skill_index',
  'tool',
  'tools',
  'history',
  'memory',
  'memory_frame',
  'question',
])

/**
 * One part of what the model saw. The parts add up to the whole: what is rounded up to a full token for one of them is
 * carried to its neighbours.
 */
export const contextBlock = z.object({
  kind: contextBlockKind,
  source: contextSource,
  tokens: count,
  /** Of a memory. */
  score: fraction.nullable(),
  /** Why it is there, where it was chosen. */
  reason: z.string().nullable(),
  /** Its beginning, secrets redacted; empty where its text is not on record. */
  preview: z.string(),
})
export type ContextBlock = z.infer<typeof contextBlock>

/** What was considered and not shown. */
export const contextLeftOutBlock = z.object({
  kind: z.enum(['skill', 'tool', 'history', 'memory']),
  source: contextSource,
  tokens: count.nullable(),
  score: fraction.nullable(),
  /**
   * Messages: `budget`, `not_looked_at`. Skills: `budget`, `not_called_for`. Tools: `authority`, `blocked`, `limit`.
   * Memories: as in `memory_left_out`, or why there were none.
   */
  reason: z.string(),
})
export type ContextLeftOutBlock = z.infer<typeof contextLeftOutBlock>

/** One call to a model of a turn. */
export const turnModelCall = z.object({
  seq: count,
  model: z.string(),
  selected_model: z.string(),
  tokens_in: count,
  tokens_out: count,
  /** The provider sent no figures. */
  estimated: z.boolean(),
  cost: dollars,
  latency_ms: milliseconds,
  cached: z.boolean(),
  cache_level: z.string().nullable(),
  finish_reason: z.string(),
  /** Names of the tools that it asked for. */
  tools: z.array(z.string()),
  /** Every try before the answer. */
  failures: z.array(z.object({ model: z.string(), category: z.string() })),
})
export type TurnModelCall = z.infer<typeof turnModelCall>
