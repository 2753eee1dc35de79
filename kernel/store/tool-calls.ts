import { newId, timestamp } from '#sdk/ids.ts'
import { redactText } from '#sdk/redact.ts'
import type { ToolOutcome } from '#sdk/services/agent.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface ToolCallRow {
  id: string
  /** null, as `seq` is, for calls outside a turn. */
  turn_id: string | null
  seq: number | null
  tool_name: string
  /** JSON text, secrets removed. */
  input: string
  output: string | null
  /** Whose tool it is. */
  plugin: string | null
  skill_id: string | null
  skill_name: string | null
  skill_hash: string | null
  approval_id: string | null
  channel: string | null
  status: ToolOutcome['status'] | 'running'
  duration_ms: number | null
  created_at: string
}

const columns =
  'id, turn_id, seq, tool_name, input, output, plugin, skill_id, skill_name, skill_hash, approval_id, channel, status, duration_ms, created_at'

export type NewToolCall = Pick<
  ToolCallRow,
  'turn_id' | 'seq' | 'tool_name' | 'input' | 'plugin' | 'skill_id' | 'skill_name' | 'skill_hash' | 'channel'
>

/** Opens the row of a call; taking a call up again keeps its row. Returns the row's id. */
export function openToolCall(
  db: WritableDb,
  call: NewToolCall,
  status: 'running' | 'awaiting_approval' = 'running',
  approval_id: string | null = null,
): string {
  const row = sql(
    db,
    `INSERT INTO tool_calls
       (id, turn_id, seq, tool_name, input, plugin, skill_id, skill_name, skill_hash, approval_id, channel, status, created_at)
     VALUES
       (@id, @turn_id, @seq, @tool_name, @input, @plugin, @skill_id, @skill_name, @skill_hash, @approval_id, @channel, @status, @now)
     ON CONFLICT (turn_id, seq) DO UPDATE SET status = excluded.status, approval_id = ifnull(excluded.approval_id, approval_id)
     RETURNING id`,
  ).get({ id: newId(), ...call, input: redactText(call.input), status, approval_id, now: timestamp() }) as {
    id: string
  }
  return row.id
}

/** The call of a row that waited begins. */
export function beginToolCall(db: WritableDb, id: string): void {
  sql(db, `UPDATE tool_calls SET status = 'running' WHERE id = ?`).run(id)
}

export function closeToolCall(db: WritableDb, id: string, outcome: ToolOutcome): void {
  sql(db, 'UPDATE tool_calls SET status = ?, output = ?, duration_ms = ? WHERE id = ?').run(
    outcome.status,
    redactText(outcome.output),
    Math.round(outcome.duration_ms),
    id,
  )
}

export function listToolCalls(db: ReadableDb, turnId: string): ToolCallRow[] {
  return sql(db, `SELECT ${columns} FROM tool_calls WHERE turn_id = ? ORDER BY seq`).all(turnId) as ToolCallRow[]
}

/** Of all turns and of none, newest first. */
export function listRecentToolCalls(
  db: ReadableDb,
  wanted: { tool: string | null; status: string | null; limit: number; offset: number },
): ToolCallRow[] {
  const text = `SELECT ${columns} FROM tool_calls WHERE tool_name = ifnull(@tool, tool_name) AND status = ifnull(@status, status)
    ORDER BY rowid DESC LIMIT @limit OFFSET @offset`
  return sql(db, text).all(wanted) as ToolCallRow[]
}

/** The call that an approval was asked for; others that it stands for come later. */
export function findToolCallOfApproval(db: ReadableDb, approvalId: string): ToolCallRow | undefined {
  return sql(db, `SELECT ${columns} FROM tool_calls WHERE approval_id = ? ORDER BY rowid LIMIT 1`).get(approvalId) as
    | ToolCallRow
    | undefined
}

/** Calls outside a turn that the death of a process cut off. */
export function closeCutOffCalls(db: WritableDb): void {
  sql(
    db,
    `UPDATE tool_calls SET status = 'unknown', output = 'Keel ended while it ran; nobody knows whether it took effect.'
     WHERE turn_id IS NULL AND status = 'running'`,
  ).run()
}

/** What a turn leaves open when it ends: calls that wait never run, calls that run may still take effect. */
export function closeCallsOfTurn(db: WritableDb, turnId: string): void {
  sql(
    db,
    `UPDATE tool_calls SET
       output = iif(status = 'running', 'The turn ended while it ran; nobody knows whether it took effect.', 'The turn ended before anybody allowed it.'),
       status = iif(status = 'running', 'unknown', 'denied')
     WHERE turn_id = ? AND status IN ('running', 'awaiting_approval')`,
  ).run(turnId)
}
