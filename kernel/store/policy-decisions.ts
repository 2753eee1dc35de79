import { newId, timestamp } from '#sdk/ids.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface PolicyDecisionRow {
  id: string
  turn_id: string | null
  tool_name: string
  decision: 'allow' | 'deny' | 'gate'
  rule_name: string | null
  reason: string | null
  context_json: string | null
  created_at: string
}

export function recordDecision(
  db: WritableDb,
  decision: { turn_id: string | null; tool_name: string; decision: PolicyDecisionRow['decision']; rule: string; reason: string | null; context: unknown },
): void {
  sql(
    db,
    `INSERT INTO policy_decisions (id, turn_id, tool_name, decision, rule_name, reason, context_json, created_at)
     VALUES (@id, @turn_id, @tool_name, @decision, @rule, @reason, @context, @now)`,
  ).run({ ...decision, id: newId(), context: JSON.stringify(decision.context), now: timestamp() })
}

export function listDecisions(db: ReadableDb, turnId: string): PolicyDecisionRow[] {
  return sql(
    db,
    `SELECT id, turn_id, tool_name, decision, rule_name, reason, context_json, created_at
     FROM policy_decisions WHERE turn_id = ? ORDER BY rowid`,
  ).all(turnId) as PolicyDecisionRow[]
}
