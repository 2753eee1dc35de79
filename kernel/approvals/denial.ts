import type { ApprovalRow } from '#kernel/store/approvals.ts'
import type { WritableDb } from '#kernel/store/database.ts'
import { recordDecision } from '#kernel/store/policy-decisions.ts'
import { closeToolCall, findToolCallOfApproval } from '#kernel/store/tool-calls.ts'

/** What whoever wanted the call is told, or undefined of one that is not denied. */
export function denialText({ tool_name, status, reason }: ApprovalRow): string | undefined {
  if (status === 'denied') return `Denied by the operator${reason === null ? '' : `: ${reason}`}.`
  if (status === 'timed_out') return `Denied: ${tool_name} needs an approval, and nobody decided in time.`
  return undefined
}

/** For the audit. A denied call of a turn is closed by its turn, which tells the model; any other ends here. */
export function recordDenial(db: WritableDb, approval: ApprovalRow, text: string): void {
  const { id, turn_id, tool_name, requested_authority: authority, risk_level: risk, channel } = approval
  recordDecision(db, {
    turn_id,
    tool_name,
    decision: 'deny',
    rule: 'approval',
    reason: text,
    authority,
    risk,
    approval_id: id,
    context: { authority, risk, channel },
  })
  const call = turn_id === null ? findToolCallOfApproval(db, id) : undefined
  if (call) closeToolCall(db, call.id, { status: 'denied', output: text, duration_ms: 0 })
}
