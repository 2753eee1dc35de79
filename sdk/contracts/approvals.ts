import { z } from 'zod'
import { get, post } from '../route.ts'
import { authority } from '../services/agent.ts'
import { riskLevel } from '../services/tools.ts'
import { page } from './query.ts'
import { count, time } from './values.ts'

const maxOperatorLength = 256
const maxReasonLength = 4096

export const approvalStatus = z.enum(['Pending', 'Approved', 'Denied', 'TimedOut'])

export const approval = z.object({
  id: z.string(),
  tool_name: z.string(),
  /** JSON text of the tool's parameters, in full: what is approved is exactly this. */
  tool_input: z.string(),
  session_id: z.string().nullable(),
  turn_id: z.string().nullable(),
  agent_id: z.string().nullable(),
  channel: z.string().nullable(),
  requested_authority: authority,
  risk_level: riskLevel,
  policy_reason: z.string().nullable(),
  status: approvalStatus,
  decided_by: z.string().nullable(),
  decided_at: time.nullable(),
  reason: z.string().nullable(),
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
    /** How long it holds: this call, this session, or every call with this tool and input. */
    scope: z.enum(['once', 'session', 'always']).default('once'),
  })
  .prefault({})

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
  getApproval: get('/api/approvals/:id', { summary: 'Approval request detail', response: approval }),
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
