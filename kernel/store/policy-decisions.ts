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

export function listDecisions(db: ReadableDb, turnId: string): PolicyDecisionRow[] {
  const rows = sql(
    db,
    `SELECT id, turn_id, tool_name, decision, rule_name, reason, authority, risk_level, approval_id, context_json, created_at
     FROM policy_decisions WHERE turn_id = ? ORDER BY rowid`,
  ).all(turnId) as (Omit<PolicyDecisionRow, 'context'> & { context_json: string })[]
  return rows.map(({ context_json, ...row }) => ({
    ...row,
    context: JSON.parse(context_json) as Record<string, unknown>,
  }))
}
