import { z } from 'zod'
import { budgetMeasure, budgetScope } from './budgets.ts'
import { retentionRun } from './contracts/retention.ts'
import { serviceState } from './contracts/services.ts'
import { count, dollars, milliseconds, time } from './contracts/values.ts'
import { toolStatus } from './services/agent.ts'
import { breakerState, candidate } from './services/inference.ts'
import { consolidationReport, embeddingStatus } from './services/memory.ts'

const sessionFields = z.object({
  session_id: z.string(),
  agent_id: z.string(),
  scope_key: z.string(),
  nickname: z.string().nullable(),
  status: z.string(),
  updated_at: time,
})

const toolFields = {
  /** null for a call outside a turn. */
  turn_id: z.string().nullable(),
  session_id: z.string().nullable(),
  tool_call_id: z.string(),
  /** The same name twice: clients of two generations read it. */
  tool: z.string(),
  tool_name: z.string(),
}

const finishedTool = z.object({
  ...toolFields,
  status: toolStatus,
  duration_ms: milliseconds.nullable(),
  /** Cut short, secrets redacted. */
  output_preview: z.string(),
})

const memoryFields = {
  tier: z.string(),
  id: z.string(),
  session_id: z.string().optional(),
  category: z.string().optional(),
}
const change = z.enum(['insert', 'update', 'delete'])
const cronJobFields = z.object({ job_id: z.string(), name: z.string(), next_run_at: time.nullable() })
const cronRunFields = {
  job_id: z.string(),
  /** The same as `job_name`. */
  name: z.string(),
  job_name: z.string(),
  run_id: z.string(),
  trigger: z.string(),
  scheduled_for: time,
}
const budgetFields = z.object({
  scope: budgetScope,
  /** Empty for the day's. */
  key: z.string(),
  measure: budgetMeasure,
  /** Dollars or tokens, as are the two that follow. */
  line: z.number(),
  spent: z.number(),
  reserved: z.number(),
  begins_anew_at: time.nullable(),
})
const agentFields = z.object({ agent_id: z.string() })
const workstation = z.enum(['llm', 'exec'])
const replayFields = { request_id: z.string(), tool: z.string(), turn_id: z.string().nullable() }
const approvalFields = z.object({
  request_id: z.string(),
  tool: z.string(),
  status: z.string(),
  decided_by: z.string().nullable(),
})
const deliveryFields = z.object({ id: z.string(), channel: z.string(), attempts: count, error: z.string() })

/** Everything Keel announces: the name and the fields beside the envelope's. Nobody waits for one. */
export const events = {
  session_created: sessionFields,
  session_updated: sessionFields,
  session_archived: sessionFields,
  session_deleted: sessionFields,
  message_appended: z.object({
    session_id: z.string(),
    message_id: z.string(),
    role: z.string(),
    turn_id: z.string().optional(),
    created_at: time,
    /** At most 2 KiB. */
    preview: z.string().optional(),
  }),

  turn_started: z.object({ turn_id: z.string(), session_id: z.string(), model: z.string().nullable() }),
  turn_completed: z.object({
    turn_id: z.string(),
    session_id: z.string(),
    model: z.string().nullable(),
    status: z.string(),
    tokens_in: count,
    tokens_out: count,
    cost: dollars,
    cached: z.boolean(),
    react_turns: count,
    latency_ms: milliseconds,
  }),
  /** A recorded turn was run again, for comparison; nothing came of it but its own record. */
  replay_finished: z.object({
    replay_id: z.string(),
    turn_id: z.string(),
    session_id: z.string(),
    model: z.string().nullable(),
    status: z.string(),
    tokens_in: count,
    tokens_out: count,
    cost: dollars,
    latency_ms: milliseconds,
  }),
  stream_start: z.object({ turn_id: z.string(), session_id: z.string(), model: z.string() }),
  stream_chunk: z.object({ delta: z.string(), done: z.boolean(), session_id: z.string() }),
  stream_end: z.object({
    turn_id: z.string(),
    session_id: z.string(),
    model: z.string(),
    tokens_in: count,
    tokens_out: count,
    content_length: count,
    content_blocked: z.boolean(),
  }),

  agent_working: z.object({
    agent_id: z.string(),
    workstation,
    /** `inference`, or `tool:<name>`. */
    activity: z.string(),
    session_id: z.string().optional(),
    turn_id: z.string().optional(),
    model: z.string().optional(),
    skill: z.string().optional(),
  }),
  agent_idle: z.object({
    agent_id: z.string(),
    workstation,
    session_id: z.string().optional(),
    turn_id: z.string().optional(),
  }),
  agent_started: agentFields,
  agent_stopped: agentFields,
  agent_error: agentFields,
  agent_moved: z.object({ agent_id: z.string(), workstation: z.string() }),
  a2a_interaction: z.object({ agent_a: z.string(), agent_b: z.string(), duration: milliseconds }),

  model_selection: z.object({
    turn_id: z.string(),
    session_id: z.string(),
    channel: z.string(),
    selected_model: z.string(),
    strategy: z.string(),
    primary_model: z.string(),
    override_model: z.string().nullable(),
    complexity: z.string().nullable(),
    complexity_score: z.number().nullable(),
    metascore_breakdown: z.record(z.string(), z.number()).nullable(),
    candidates: z.array(candidate),
    created_at: time,
  }),
  model_shift: z.object({
    turn_id: z.string(),
    session_id: z.string(),
    channel: z.string(),
    selected_model: z.string(),
    executed_model: z.string(),
    reason: z.enum(['fallback', 'cache_hit']),
  }),
  breaker_changed: z.object({
    provider: z.string(),
    /** The same as `to`. */
    state: breakerState,
    from: z.string(),
    to: breakerState,
    reason: z.string(),
  }),

  /** The first time in its period: what is cheaper is preferred from here on. */
  budget_soft_line: budgetFields,
  /** The first time in its period: it is spent, or kept a call from a model. */
  budget_hard_line: budgetFields,

  tool_call_started: z.object({ ...toolFields, input_preview: z.string() }),
  tool_call: finishedTool,
  /** The same as `tool_call`, under the name that older clients know. */
  tool_call_result: finishedTool,
  /** `tool_name` is null where the skill's text was put before the model. */
  skill_activated: z.object({
    agent_id: z.string(),
    skill: z.string(),
    tool_name: z.string().nullable(),
    turn_id: z.string(),
    session_id: z.string().nullable(),
    reason: z.string(),
  }),

  pending_approval: z.object({ request_id: z.string(), tool: z.string() }),
  approval_requested: z.object({ request_id: z.string(), tool: z.string(), status: z.string() }),
  approval_decided: approvalFields,
  approval_expired: approvalFields,
  approval_replay_started: z.object(replayFields),
  approval_replay_succeeded: z.object({ ...replayFields, output: z.string() }),
  approval_replay_failed: z.object({ ...replayFields, error: z.string() }),

  memory_changed: z.object({ ...memoryFields, op: change }),
  /** The same as `memory_changed`, under the name that older clients know. */
  memory_updated: z.object({ ...memoryFields, operation: change }),
  /** How many entries were removed for good at somebody's word; each is told of as `memory_changed` as well. */
  memory_forgotten: z.object({ count, what: z.enum(['entry', 'session', 'subject']) }),
  memory_consolidated: consolidationReport,
  /** How far the vectors are made, or made anew. */
  memory_embedding: embeddingStatus,
  /** A turn of which no memory could be made, for now or for good. */
  memory_ingest_failed: z.object({ turn_id: z.string(), attempts: count, error: z.string(), given_up: z.boolean() }),

  cron_run_started: z.object({ ...cronRunFields, attempt: count }),
  cron_run_finished: z.object({
    ...cronRunFields,
    /** `success`, `error` or `cancelled`. */
    status: z.string(),
    duration_ms: milliseconds.nullable(),
    error: z.string().nullable(),
    attempt: count,
  }),
  /** An attempt failed, or its process died; another one follows at `retry_at`. */
  cron_run_retrying: z.object({ ...cronRunFields, attempt: count, error: z.string(), retry_at: time }),
  /** `count` occurrences from `scheduled_for` to `until` do not run. */
  cron_run_skipped: z.object({ ...cronRunFields, until: time, count, reason: z.string() }),
  /** What a run of a job that announces its runs has brought, or why it failed, cut at 4 KiB. */
  cron_run_announced: z.object({ ...cronRunFields, channel: z.string(), text: z.string() }),
  /** It failed too often in a row, or names an action that there is not, and runs no more until it is enabled again. */
  cron_job_paused: z.object({ job_id: z.string(), name: z.string(), status: z.string(), consecutive_errors: count }),
  /** The clock was set, or the machine slept, by so many milliseconds. */
  clock_jumped: z.object({ by_ms: z.number() }),
  cron_job_changed: z.object({ job_id: z.string(), op: change }),
  cron_job_created: cronJobFields,
  cron_job_updated: cronJobFields,
  cron_job_deleted: cronJobFields,

  config_updated: z.object({
    sections: z.array(z.string()),
    /** Dotted paths. */
    changed: z.array(z.string()),
    deferred: z.array(z.string()),
  }),
  /** Records that were kept for long enough are gone. */
  retention_run: retentionRun,
  feedback_recorded: z.object({ turn_id: z.string(), session_id: z.string(), grade: z.int().min(1).max(5) }),
  skills_changed: z.object({ op: z.enum(['reload', 'toggle', 'delete', 'install']), ids: z.array(z.string()) }),
  /** `last_good`: an earlier version goes on in its place. */
  skill_failed: z.object({ skill: z.string(), error: z.string(), last_good: z.boolean() }),
  plugin_changed: z.object({ name: z.string(), status: z.string(), error: z.string().optional() }),
  subagent_changed: z.object({ name: z.string(), op: z.string(), enabled: z.boolean() }),

  channel_message: z.object({
    channel: z.string(),
    direction: z.enum(['in', 'out']),
    chat_id: z.string(),
    session_id: z.string().optional(),
  }),
  /** Kept before it is sent. */
  delivery_queued: z.object({ id: z.string(), channel: z.string() }),
  delivery_sent: z.object({ id: z.string(), channel: z.string(), attempts: count }),
  delivery_failed: deliveryFields,
  dead_letter: deliveryFields,

  channel_state_changed: z.object({ channel: z.string(), state: z.string(), error: z.string().nullable() }),
  /** A verified body could not be read; `dropped`: it is not tried again. */
  channel_webhook_failed: z.object({ channel: z.string(), attempts: count, error: z.string(), dropped: z.boolean() }),
  channel_peer_paired: z.object({ channel: z.string(), peer_id: z.string(), sender_id: z.string() }),

  device_paired: z.object({ device_id: z.string() }),
  device_verified: z.object({ device_id: z.string() }),
  agent_discovered: agentFields,
  mcp_connected: z.object({ name: z.string() }),
  mcp_disconnected: z.object({ name: z.string() }),

  service_state_changed: z.object({
    service: z.string(),
    state: serviceState,
    pid: z.int().nullable(),
    generation: count,
    reason: z.string().nullable(),
  }),
  /** Said by the new kernel. For `gap_ms` callers waited: so long passed between the last accepted by one and the first by the other. */
  kernel_handed_over: z.object({
    pid: z.int(),
    version: z.string(),
    from_pid: z.int(),
    from_version: z.string(),
    gap_ms: milliseconds,
  }),
} as const

export type EventName = keyof typeof events
export type EventFields<N extends EventName = EventName> = z.infer<(typeof events)[N]>

/** The envelope. `seq` grows by one with each event of an `epoch`; the event's own fields stand beside these. */
export const eventFrame = z.looseObject({
  seq: count,
  epoch: z.string(),
  type: z.string(),
  timestamp: time,
})

export type EventFrame<N extends EventName = EventName> = {
  [K in N]: { seq: number; epoch: string; type: K; timestamp: string } & EventFields<K>
}[N]
