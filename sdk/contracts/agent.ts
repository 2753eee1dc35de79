import { z } from 'zod'
import { get, post } from '../route.ts'
import { authority, toolStatus } from '../services/agent.ts'
import { breakerState } from '../services/inference.ts'
import { shortField } from './text-field.ts'
import { count, dollars, fraction, jsonObject, milliseconds, time } from './values.ts'

/** Longer is `too_large`; the pipeline measures it, since blank and long have errors of their own. */
export const maxMessageBytes = 32_768
const minTimeoutMs = 1_000
const maxTurnTimeoutMs = 3_600_000
const maxModelCallTimeoutMs = 600_000

const diagnostics = z.object({
  uptime_seconds: count,
  primary_model: z.string(),
  active_model: z.string(),
  primary_provider: z.string(),
  primary_provider_state: breakerState,
  breaker_open_count: count,
  breaker_half_open_count: count,
  cache_entries: count,
  cache_hit_rate_pct: z.number(),
  pending_approvals: count,
  taskable_subagents_total: count,
  taskable_subagents_enabled: count,
  taskable_subagents_booting: count,
  taskable_subagents_running: count,
  taskable_subagents_error: count,
  taskable_subagents_hollow: count,
  delegation_tools_available: z.boolean(),
  channels_total: count,
  channels_with_errors: count,
})

export const agentStatus = z.object({
  state: z.literal('running'),
  /** `degraded`: the primary is blocked and a fallback is not. `down`: nothing can answer. */
  health: z.enum(['ok', 'degraded', 'down']),
  id: z.string(),
  agent_id: z.string(),
  name: z.string(),
  agent_name: z.string(),
  model: z.string(),
  primary_model: z.string(),
  active_model: z.string(),
  primary_provider_state: breakerState,
  cache_entries: count,
  cache_hit_rate_pct: z.number(),
  uptime_seconds: count,
  active_turns: count,
  sessions_active: count,
  last_turn_at: time.nullable(),
  diagnostics,
})
export type AgentStatus = z.infer<typeof agentStatus>

export const agentMessage = z.object({
  content: z.string({ error: ({ input }) => (input === undefined ? 'is required' : 'must be a string') }),
  session_id: shortField.nullish(),
  channel: shortField.nullish(),
  sender_id: shortField.nullish(),
  peer_id: shortField.nullish(),
  group_id: shortField.nullish(),
  is_group: z.boolean().nullish(),
  model: shortField.nullish(),
  no_cache: z.boolean().nullish(),
  no_escalate: z.boolean().nullish(),
  execution_timeout_ms: z.int().min(minTimeoutMs).max(maxTurnTimeoutMs).nullish(),
  model_call_timeout_ms: z.int().min(minTimeoutMs).max(maxModelCallTimeoutMs).nullish(),
})
export type AgentMessage = z.infer<typeof agentMessage>

export const agentAnswer = z.object({
  session_id: z.string(),
  turn_id: z.string(),
  nickname: z.string().nullable(),
  user_message_id: z.string(),
  assistant_message_id: z.string(),
  content: z.string(),
  /** The router's choice, `provider/model`. */
  selected_model: z.string(),
  /** What really answered; `command` for slash commands. */
  model: z.string(),
  /** `selected_model` when another one answered. */
  model_shift_from: z.string().nullable(),
  cached: z.boolean(),
  tokens_saved: count,
  tokens_in: count,
  tokens_out: count,
  cost: dollars,
  threat_score: fraction,
  reduced_authority: z.boolean(),
  authority,
  react_turns: count,
  tools_used: z.array(z.string()),
  tool_calls: z.array(
    z.object({
      id: z.string(),
      tool_name: z.string(),
      status: toolStatus.or(z.literal('running')),
      duration_ms: milliseconds.nullable(),
    }),
  ),
  latency_ms: milliseconds,
  quality_score: z.number().nullable(),
  escalated: z.boolean(),
  complexity_level: z.string().nullable(),
  /** Ids of approvals that the turn waits for. */
  pending_approvals: z.array(z.string()),
  decomposition: z.literal('requires_specialist_creation').optional(),
})
export type AgentAnswer = z.infer<typeof agentAnswer>

/** One `data:` value of the stream; after `stream_end` comes the text `[DONE]`. */
export const agentStreamEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('stream_start'), session_id: z.string(), turn_id: z.string(), model: z.string() }),
  z.object({
    type: z.literal('chunk'),
    delta: z.string(),
    model: z.string().nullable(),
    finish_reason: z.string().nullable(),
  }),
  z.object({ type: z.literal('tool_call'), id: z.string(), tool_name: z.string(), input: z.unknown() }),
  z.object({ type: z.literal('tool_progress'), id: z.string(), tool_name: z.string(), message: z.string() }),
  z.object({
    type: z.literal('tool_result'),
    id: z.string(),
    tool_name: z.string(),
    status: toolStatus,
    duration_ms: milliseconds.nullable(),
    output_preview: z.string(),
  }),
  z.object({
    type: z.literal('approval_required'),
    request_id: z.string(),
    /** Both names of one field. */
    tool: z.string(),
    tool_name: z.string(),
    /** In full: what is approved is exactly this. */
    input: jsonObject.optional(),
    expires_at: time.optional(),
  }),
  /** What was sent so far is void; this stands in its place. */
  z.object({ type: z.literal('content_replaced'), content: z.string() }),
  z.object({ type: z.literal('stream_blocked'), reason: z.string(), session_id: z.string() }),
  z.object({ type: z.literal('error'), error: z.string() }),
  z.object({
    type: z.literal('stream_end'),
    session_id: z.string(),
    turn_id: z.string(),
    user_message_id: z.string(),
    assistant_message_id: z.string(),
    nickname: z.string().nullable(),
    model: z.string(),
    tokens_in: count,
    tokens_out: count,
    cost: dollars,
    cached: z.boolean(),
    react_turns: count,
    content: z.string(),
    /** Bytes of `content`. */
    content_length: count,
    content_blocked: z.boolean(),
  }),
])
export type AgentStreamEvent = z.infer<typeof agentStreamEvent>

export const agentRoutes = {
  getAgentStatus: get('/api/agent/status', { summary: 'Agent state, model, cache stats', response: agentStatus }),
  sendMessage: post('/api/agent/message', {
    summary: 'Send message through agent pipeline',
    body: agentMessage,
    response: agentAnswer,
  }),
  streamMessage: post('/api/agent/message/stream', {
    summary: 'Stream agent response as SSE events',
    kind: 'stream',
    body: agentMessage,
    response: z.never(),
    event: agentStreamEvent,
  }),
}
