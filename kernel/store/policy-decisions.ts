import { newId, timestamp } from '#sdk/ids.ts'
import { redactText } from '#sdk/redact.ts'
import type { Authority } from '#sdk/services/agent.ts'
import type { RiskLevel } from '#sdk/services/tools.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface PolicyDecisionRow {
  id: string
  turn_id: string | null
  tool_name: string
  decision: 'allow' | 'deny' | 'gate'
  rule_name: string | null
  reason: string | null
  authority: Authority | null
  risk_level: RiskLevel | null
  approval_id: string | null
  context: Record<string, unknown>
  created_at: string
}

export interface NewDecision {
  turn_id: string | null
  tool_name: string
  decision: PolicyDecisionRow['decision']
  rule: string
  reason: string | null
  authority: Authority
  risk: RiskLevel
  approval_id: string | null
  context: Record<string, unknown>
}

export function recordDecision(db: WritableDb, decision: NewDecision): void {
  sql(
    db,
    `INSERT INTO policy_decisions (id, turn_id, tool_name, decision, rule_name, reason, authority, risk_level, approval_id, context_json, created_at)
     VALUES (@id, @turn_id, @tool_name, @decision, @rule, @reason, @authority, @risk, @approval_id, @context, @now)`,
  ).run({ ...decision, id: newId(), context: redactText(JSON.stringify(decision.context)), now: timestamp() })
}

const columns =
  'id, turn_id, tool_name, decision, rule_name, reason, authority, risk_level, approval_id, context_json, created_at'

export function listDecisions(db: ReadableDb, turnId: string): PolicyDecisionRow[] {
  return sql(db, `SELECT ${columns} FROM policy_decisions WHERE turn_id = ? ORDER BY rowid`).all(turnId).map(decisionOf)
}

/** Of all turns and of none, newest first. */
export function listRecentDecisions(
  db: ReadableDb,
  wanted: { tool: string | null; decision: PolicyDecisionRow['decision'] | null; limit: number; offset: number },
): PolicyDecisionRow[] {
  const text = `SELECT ${columns} FROM policy_decisions
    WHERE tool_name = ifnull(@tool, tool_name) AND decision = ifnull(@decision, decision)
    ORDER BY rowid DESC LIMIT @limit OFFSET @offset`
  return sql(db, text).all(wanted).map(decisionOf)
}

function decisionOf(row: unknown): PolicyDecisionRow {
  const { context_json, ...fields } = row as Omit<PolicyDecisionRow, 'context'> & { context_json: string }
  return { ...fields, context: JSON.parse(context_json) as Record<string, unknown> }
}
