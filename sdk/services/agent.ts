import { z } from 'zod'
import { modelMessage, toolCall, toolDefinition } from '../messages.ts'
import { method, service } from '../service.ts'
import { inferenceResult } from './inference.ts'
import { memoryScores, memorySource, memoryTier } from './memory-entry.ts'

export const authority = z.enum(['External', 'Peer', 'SelfGenerated', 'Creator'])
export type Authority = z.infer<typeof authority>

export const toolStatus = z.enum(['success', 'partial_success', 'error', 'denied', 'awaiting_approval', 'unknown'])

export const toolOutcome = z.object({
  /** `unknown`: it had begun when its process died, and it may not be run twice. */
  status: toolStatus,
  output: z.string(),
  duration_ms: z.number(),
})
export type ToolOutcome = z.infer<typeof toolOutcome>

/** What was chosen to be put before the model, and why. */
const activeSkill = z.object({
  id: z.string(),
  name: z.string(),
  /** Of its content, so that what was read can be told later. */
  hash: z.string(),
  reason: z.string(),
})

/** What of the memory the model is shown, and what was found and left out. */
export const memoryPlan = z.object({
  /** As it stands before the model; empty where nothing was recalled. */
  text: z.string(),
  entries: z.array(
    z.object({
      id: z.string(),
      tier: memoryTier,
      tokens: z.number().int(),
      preview: z.string(),
      source: memorySource,
      trusted: z.boolean(),
      scores: memoryScores,
    }),
  ),
  left_out: z.array(z.object({ id: z.string(), tier: memoryTier, score: z.number(), reason: z.string() })),
  /** Why nothing could be recalled; null where it could. */
  unavailable: z.string().nullable(),
})
export type MemoryPlan = z.infer<typeof memoryPlan>

/** `authority`: its risk is not for this authority; `blocked`: by the settings; `limit`: there were too many. */
const withheldTool = z.object({ name: z.string(), reason: z.enum(['authority', 'blocked', 'limit']) })

export const turnSkills = z.object({
  /** Best first. */
  active: z.array(activeSkill.extend({ body: z.string() })),
  /** The others, which the model can load. */
  index: z.array(z.object({ name: z.string(), description: z.string() })),
})
export type TurnSkills = z.infer<typeof turnSkills>

/** What the model might have been shown beside its memory and was not, by name as far as there is room for names. */
const contextLeftOut = z.object({
  /** Messages that did not fit, newest first. */
  history: z.array(z.object({ id: z.string(), tokens: z.number().int() })),
  /** There were messages before those that were looked at. */
  older_history: z.boolean(),
  /** `tokens`: of a text that would have been put before the model; null where its name stands in the list of others. */
  skills: z.array(z.object({ name: z.string(), tokens: z.number().int().nullable(), reason: z.string() })),
  tools: z.array(withheldTool),
})

/** What of the conversation the model is shown, decided once a turn; sizes in tokens. */
export const contextPlan = z.object({
  complexity_level: z.enum(['L0', 'L1', 'L2', 'L3']),
  complexity_score: z.number(),
  token_budget: z.number().int(),
  system_prompt: z.string(),
  system_prompt_tokens: z.number().int(),
  memory_tokens: z.number().int(),
  history_tokens: z.number().int(),
  tool_definition_tokens: z.number().int(),
  /** Messages before this one that are shown, oldest first. */
  history_message_ids: z.array(z.string()),
  dropped_history: z.number().int(),
  /** Their tokens are part of the system prompt's. Plans of earlier builds have none. */
  skills: z.array(activeSkill.extend({ tokens: z.number().int() })).default([]),
  /** Plans of earlier builds have none. */
  memory: memoryPlan.default({ text: '', entries: [], left_out: [], unavailable: null }),
  /** Of each message of `history_message_ids`, in their order; they add up to `history_tokens`. */
  history_message_tokens: z.array(z.number().int()).default([]),
  /** null in plans of earlier builds, which did not count it. */
  question_tokens: z.number().int().nullable().default(null),
  /** What each tool's definition adds to `tool_definition_tokens`; `origin`: the plugin or skill whose tool it is. */
  tools: z.array(z.object({ name: z.string(), tokens: z.number().int(), origin: z.string().nullable() })).default([]),
  /** The list of skills that can be loaded; its tokens are part of the system prompt's. */
  skill_index: z.object({ count: z.number().int(), tokens: z.number().int() }).default({ count: 0, tokens: 0 }),
  left_out: contextLeftOut.default({ history: [], older_history: false, skills: [], tools: [] }),
})
export type ContextPlan = z.infer<typeof contextPlan>

/**
 * One entry of a turn's journal. The kernel writes it before the next step begins, so that another process can go on
 * from here. `started` without an end means that the process died inside the step.
 */
export const turnStep = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('context'), seq: z.number().int(), plan: contextPlan }),
  z.object({
    kind: z.literal('inference'),
    seq: z.number().int(),
    status: z.enum(['started', 'done']),
    result: inferenceResult.nullable(),
  }),
  z.object({
    kind: z.literal('tool'),
    seq: z.number().int(),
    status: z.enum(['started', 'done']),
    call: toolCall,
    outcome: toolOutcome.nullable(),
  }),
])
export type TurnStep = z.infer<typeof turnStep>

export const turnLimits = z.object({
  max_steps: z.number().int(),
  /** When the turn must be over, ISO-8601. */
  deadline: z.string(),
  max_tokens: z.number().int().nullable(),
  max_cost: z.number().nullable(),
  model_call_timeout_ms: z.number().int().nullable(),
})

/** Everything a turn needs to begin, or to go on, in whichever process takes it up. */
export const turnJob = z.object({
  turn_id: z.string(),
  /** Grows with each process that takes the turn up; the kernel refuses steps of an older one. */
  attempt: z.number().int(),
  session_id: z.string(),
  agent: z.object({ id: z.string(), name: z.string(), persona: z.string().nullable() }),
  /** `auto`, or `provider/model` where the caller or the sub-agent fixes it. */
  model: z.string(),
  channel: z.string(),
  authority,
  /** The message to answer, as the model may see it. */
  input: z.object({ message_id: z.string(), text: z.string() }),
  history: z.array(z.object({ id: z.string(), message: modelMessage })),
  /** There are messages before those of `history`. */
  older_history: z.boolean(),
  tools: z.array(toolDefinition),
  /** Of the tools that others brought: the plugin or skill whose it is, by the tool's name. */
  tool_origins: z.record(z.string(), z.string()),
  withheld_tools: z.array(withheldTool),
  skills: turnSkills,
  limits: turnLimits,
  context_max_tokens: z.number().int(),
  use_cache: z.boolean(),
  version: z.string(),
  steps: z.array(turnStep),
})
export type TurnJob = z.infer<typeof turnJob>

export const turnChunk = z.discriminatedUnion('type', [
  z.object({ type: z.literal('delta'), delta: z.string(), model: z.string().nullable() }),
  /** What was sent so far is void; this stands in its place. */
  z.object({ type: z.literal('content_replaced'), content: z.string() }),
  z.object({ type: z.literal('blocked'), reason: z.string() }),
])
export type TurnChunk = z.infer<typeof turnChunk>

export const turnEnd = z.object({
  /** `awaiting_approval`: nothing more can be done until a person has decided; the turn is then handed over anew. */
  status: z.enum(['ok', 'error', 'blocked', 'limit', 'awaiting_approval']),
  content: z.string(),
  /** For the log and the turn's row: which limit, which category of failure. */
  reason: z.string().nullable(),
  react_turns: z.number().int(),
})
export type TurnEnd = z.infer<typeof turnEnd>

/** How a turn is thought. Keeps nothing: what it did is in the journal, which the kernel writes. */
export const agentService = service('agent', {
  run: method({ params: turnJob, chunk: turnChunk, result: turnEnd, timeoutMs: 3_600_000, retry: 'never' }),
})
