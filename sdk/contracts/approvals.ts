import { z } from 'zod'
import { del, get, post } from '../route.ts'
import { authority, toolStatus } from '../services/agent.ts'
import { riskLevel } from '../services/tools.ts'
import { page } from './query.ts'
import { count, milliseconds, time } from './values.ts'

const maxOperatorLength = 256
const maxReasonLength = 4096

export const approvalStatus = z.enum(['Pending', 'Approved', 'Denied', 'TimedOut'])

/** How long an approval holds for this tool with exactly this input: for this call, in this session, or always. */
export const approvalScope = z.enum(['once', 'session', 'always'])

export const approval = z.object({
  id: z.string(),
  tool_name: z.string(),
  /** Changes with what the tool does: an approval of one version holds for no other. */
  tool_version: z.string(),
  /** JSON text of the tool's parameters, in full: what is approved is exactly this. */
  tool_input: z.string(),
  session_id: z.string().nullable(),
  turn_id: z.string().nullable(),
  agent_id: z.string().nullable(),
  channel: z.string().nullable(),
  requested_authority: authority,
  risk_level: riskLevel,
  policy_rule: z.string(),
  policy_reason: z.string().nullable(),
  status: approvalStatus,
  scope: approvalScope.nullable(),
  decided_by: z.string().nullable(),
  decided_at: time.nullable(),
  reason: z.string().nullable(),
  /** When the call that it allows was begun. */
  used_at: time.nullable(),
  timeout_at: time,
  expires_in_seconds: count,
  created_at: time,
})
export type Approval = z.infer<typeof approval>

const operator = z.string().max(maxOperatorLength, `exceeds max length of ${maxOperatorLength} characters`).optional()

/** `operator` is another name of `decided_by`, which is `api` unless told. */
const decision = z
  .object({
    decided_by: operator,
    operator,
    reason: z.string().max(maxReasonLength).optional(),
    scope: approvalScope.default('once'),
  })
  .prefault({})
export type Decision = z.infer<typeof decision>

export const approvalGrant = z.object({
  id: z.string(),
  /** null: in every session. */
  session_id: z.string().nullable(),
  approval_id: z.string(),
  tool_name: z.string(),
  tool_input: z.string(),
  /** Holds for callers of this authority or a higher one. */
  requested_authority: authority,
  decided_by: z.string(),
  created_at: time,
})

/** The call that was approved, once it has begun. */
const approvedCall = z.object({
  id: z.string(),
  status: toolStatus.or(z.literal('running')),
  output: z.string().nullable(),
  duration_ms: milliseconds.nullable(),
})

export const approvalsRoutes = {
  listApprovals: get('/api/approvals', {
    summary: 'List pending approval requests',
    /** `status` filters `approvals`; `pending` has the pending ones whatever it says. */
    query: z.object({
      ...page,
      status: z
        .preprocess(
          (given: string | undefined) =>
            approvalStatus.options.find((known) => known.toLowerCase() === given?.toLowerCase()) ?? given,
          approvalStatus,
        )
        .optional(),
    }),
    response: z.object({ pending: z.array(approval), approvals: z.array(approval), total: count }),
  }),
  getApproval: get('/api/approvals/:id', {
    summary: 'Approval request detail',
    response: approval.extend({ tool_call: approvedCall.nullable() }),
  }),
  listApprovalGrants: get('/api/approval-grants', {
    summary: 'List standing approvals',
    response: z.object({ grants: z.array(approvalGrant), count }),
  }),
  deleteApprovalGrant: del('/api/approval-grants/:id', {
    summary: 'Take a standing approval back',
    response: z.object({ id: z.string(), deleted: z.literal(true) }),
  }),
  approveRequest: post('/api/approvals/:id/approve', {
    summary: 'Approve a pending request',
    body: decision,
    response: z.object({ approval, replay_queued: z.literal(true), status: z.literal('approved') }),
  }),
  denyRequest: post('/api/approvals/:id/deny', {
    summary: 'Deny a pending request',
    body: decision,
    response: approval.extend({ status_text: z.literal('denied') }),
  }),
}
