import { newId, timestamp } from '#sdk/ids.ts'
import { redactText } from '#sdk/redact.ts'
import type { ToolOutcome } from '#sdk/services/agent.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface ToolCallRow {
  id: string
  turn_id: string
  seq: number
  tool_name: string
  /** JSON text, secrets removed. */
  input: string
  output: string | null
  skill_id: string | null
  skill_name: string | null
  skill_hash: string | null
  status: ToolOutcome['status'] | 'running'
  duration_ms: number | null
  created_at: string
}

const columns =
  'id, turn_id, seq, tool_name, input, output, skill_id, skill_name, skill_hash, status, duration_ms, created_at'

/** Opens the row of a call; taking a call up again keeps its row. Returns the row's id. */
export function openToolCall(
  db: WritableDb,
  call: { turn_id: string; seq: number; tool_name: string; input: string },
): string {
  const row = sql(
    db,
    `INSERT INTO tool_calls (id, turn_id, seq, tool_name, input, status, created_at)
     VALUES (@id, @turn_id, @seq, @tool_name, @input, 'running', @now)
     ON CONFLICT (turn_id, seq) DO UPDATE SET status = 'running' RETURNING id`,
  ).get({ id: newId(), ...call, input: redactText(call.input), now: timestamp() }) as { id: string }
  return row.id
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
