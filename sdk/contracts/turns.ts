import { z } from 'zod'
import { get, post } from '../route.ts'
import { toolStatus } from '../services/agent.ts'
import { memoryScores, memorySource, memoryTier } from '../services/memory-entry.ts'
import { contextBlock, contextLeftOutBlock, turnModelCall } from './context-blocks.ts'
import { selectionEvent } from './models.ts'
import { clampedInteger, flag } from './query.ts'
import { replayChanges, replayEvent, replayRecord, replayReport } from './replays.ts'
import { analysis, tip } from './tips.ts'
import { count, dollars, fraction, milliseconds, time } from './values.ts'

/** `running`: not over yet. `appended`: its message was written by a client, not by a model. */
export const turnStatus = z.enum(['running', 'ok', 'error', 'blocked', 'limit', 'interrupted', 'appended'])

export const turn = z.object({
  id: z.string(),
  session_id: z.string(),
  thinking: z.string().nullable(),
  tokens_in: count.nullable(),
  tokens_out: count.nullable(),
  cost: dollars.nullable(),
  model: z.string().nullable(),
  created_at: time,
  status: turnStatus,
  latency_ms: milliseconds.nullable(),
  user_message_id: z.string().nullable(),
  assistant_message_id: z.string().nullable(),
  cached: z.boolean(),
  react_turns: count,
  /** Of the trace that its work is in: 32 hexadecimal digits. */
  trace_id: z.string().nullable().default(null),
})
export type Turn = z.infer<typeof turn>

export const complexityLevel = z.enum(['L0', 'L1', 'L2', 'L3'])

/** What of the budget went where; every size in tokens. */
export const turnContext = z.object({
  turn_id: z.string(),
  model: z.string().nullable(),
  token_budget: count,
  system_prompt_tokens: count,
  memory_tokens: count,
  history_tokens: count,
  /** Messages. */
  history_depth: count,
  complexity_level: complexityLevel,
  tokens_in: count,
  tokens_out: count,
  cost: dollars,
  tool_call_count: count,
  tool_failure_count: count,
  /** Other names of `system_prompt_tokens`, the sum, and `token_budget`. */
  system_tokens: count,
  total_tokens: count,
  max_tokens: count,
  /** False: the turn left no snapshot and the sizes are 0. */
  snapshot: z.boolean(),
  tool_definition_tokens: count,
  dropped_history: count,
  compaction_stage: z.string().nullable(),
  /** Of the memory's tokens; what its headings take is no tier's. */
  memory_tiers: z.object({ working: count, episodic: count, semantic: count, procedural: count, relationship: count }),
  /** Put before the model, with their tokens in the system prompt. */
  skills: z.array(z.object({ id: z.string(), name: z.string(), hash: z.string(), reason: z.string(), tokens: count })),
  /** What the model was reminded of, in the order in which it stood there, and why each was found. */
  retrieved_memories: z.array(
    z.object({
      tier: memoryTier,
      id: z.string(),
      score: fraction,
      preview: z.string(),
      tokens: count,
      scores: memoryScores,
      /** False for what a web page, a tool, a peer or a stranger said. */
      trusted: z.boolean(),
      source: memorySource,
    }),
  ),
  /** What was found and not shown: `budget`, `tier_budget`, `shown` in the history anyway, `duplicate` or `unsafe`. */
  memory_left_out: z.array(z.object({ tier: memoryTier, id: z.string(), score: fraction, reason: z.string() })),
  /** Why nothing could be recalled; null where it could. */
  memory_unavailable: z.string().nullable(),
  /** The message as it is stored, and the answer, cut at 64 KiB; null where there is none. */
  question: z.string().nullable(),
  answer: z.string().nullable(),
  question_tokens: count,
  /** What the model saw, in that order; empty where no plan of it was kept. They add up to `total_tokens` and the question. */
  blocks: z.array(contextBlock),
  left_out: z.array(contextLeftOutBlock),
  /** The sum of the blocks, what the provider counted for the turn's first call, and how far the one is above the other, as a share of it. */
  estimated_tokens_in: count,
  billed_tokens_in: count.nullable(),
  estimate_error: z.number().nullable(),
  model_calls: z.array(turnModelCall),
})
export type TurnContext = z.infer<typeof turnContext>

/** A tool call as the Observatory shows it. */
export const turnToolCall = z.object({
  id: z.string(),
  tool_name: z.string(),
  /** Whose tool it is. */
  plugin: z.string().nullable(),
  skill_id: z.string().nullable(),
  skill_name: z.string().nullable(),
  skill_hash: z.string().nullable(),
  approval_id: z.string().nullable(),
  /** `running`: not over yet. */
  status: toolStatus.or(z.literal('running')),
  duration_ms: milliseconds.nullable(),
  created_at: time,
  /** JSON text, secrets redacted. */
  input: z.string(),
  /** Cut short, secrets redacted. */
  output: z.string().nullable(),
  error: z.string().nullable(),
})
export type TurnToolCall = z.infer<typeof turnToolCall>

export const turnsRoutes = {
  listSessionTurns: get('/api/sessions/:id/turns', {
    summary: 'List all turns for a session',
    /** 0: all of them. Otherwise the newest, oldest first, as messages are. */
    query: z.object({ limit: clampedInteger(0, 0, 5000), offset: clampedInteger(0, 0) }),
    response: z.object({ turns: z.array(turn), total: count }),
  }),
  getTurn: get('/api/turns/:id', { summary: 'Get single turn detail', response: turn }),
  cancelTurn: post('/api/turns/:id/cancel', {
    summary: 'Stop a turn that is under way',
    /** `cancelled: false`: it was over already. */
    response: z.object({ turn_id: z.string(), cancelled: z.boolean() }),
  }),
  getTurnContext: get('/api/turns/:id/context', {
    summary: 'Get context snapshot for a turn',
    response: turnContext,
  }),
  replayTurn: post('/api/turns/:id/replay', {
    summary: 'Run a recorded turn again under other terms, without effects',
    kind: 'stream',
    body: replayChanges.prefault({}),
    response: replayReport,
    event: replayEvent,
  }),
  listTurnReplays: get('/api/turns/:id/replays', {
    summary: 'List the replays of a turn, newest first',
    response: z.object({ replays: z.array(replayRecord) }),
  }),
  listTurnTools: get('/api/turns/:id/tools', {
    summary: 'Get tool calls for a turn',
    response: z.object({ tool_calls: z.array(turnToolCall) }),
  }),
  getTurnTips: get('/api/turns/:id/tips', {
    summary: 'Get heuristic analysis tips for a turn',
    response: z.object({ turn_id: z.string(), tips: z.array(tip), tip_count: count }),
  }),
  getTurnModelSelection: get('/api/turns/:id/model-selection', {
    summary: 'Get model selection details for a turn',
    /** The newest selection; `events` has all of them, newest first. */
    response: selectionEvent.extend({ events: z.array(selectionEvent) }),
  }),
  analyzeTurn: post('/api/turns/:id/analyze', {
    summary: 'Trigger LLM-powered deep analysis',
    query: z.object({ refresh: flag }),
    response: analysis.extend({ turn_id: z.string(), heuristic_tips: z.array(tip) }),
  }),
  getSessionInsights: get('/api/sessions/:id/insights', {
    summary: 'Get session-aggregate analysis',
    response: z.object({ session_id: z.string(), insights: z.array(tip), insight_count: count, turn_count: count }),
  }),
  analyzeSession: post('/api/sessions/:id/analyze', {
    summary: 'Trigger session-wide LLM analysis',
    query: z.object({ refresh: flag }),
    response: analysis.extend({ session_id: z.string(), heuristic_insights: z.array(tip) }),
  }),
}
