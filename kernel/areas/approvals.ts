import { statusText } from '#kernel/approvals/approvals.ts'
import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import {
  type ApprovalRow,
  countApprovals,
  deleteGrant,
  listApprovals,
  listGrants,
  listPendingApprovals,
  loadApproval,
} from '#kernel/store/approvals.ts'
import { findToolCallOfApproval } from '#kernel/store/tool-calls.ts'
import type { Approval, approvalsRoutes, Decision } from '#sdk/contracts/approvals.ts'
import { RuntimeError } from '#sdk/errors.ts'

const stored = { Pending: 'pending', Approved: 'approved', Denied: 'denied', TimedOut: 'timed_out' } as const

export const approvalsHandlers: Handlers<typeof approvalsRoutes, Pick<Context, 'store' | 'approvals'>> = {
  listApprovals: ({ query }, { store, approvals }) => {
    approvals.expire()
    const { limit, offset, status } = query
    return {
      pending: listPendingApprovals(store.read).map(view),
      approvals: listApprovals(store.read, { limit, offset, status: status ? stored[status] : null }).map(view),
      total: countApprovals(store.read),
    }
  },

  getApproval: ({ params }, { store, approvals }) => {
    approvals.expire()
    const call = findToolCallOfApproval(store.read, params.id)
    return {
      ...view(loadApproval(store.read, params.id)),
      tool_call: call ? { id: call.id, status: call.status, output: call.output, duration_ms: call.duration_ms } : null,
    }
  },

  approveRequest: ({ params, body }, { approvals }) => {
    const decided = approvals.decide(params.id, { ...decider(body), status: 'approved', scope: body.scope })
    return { approval: view(decided), replay_queued: true, status: 'approved' }
  },

  denyRequest: ({ params, body }, { approvals }) => {
    const decided = approvals.decide(params.id, { ...decider(body), status: 'denied', scope: null })
    return { ...view(decided), status_text: 'denied' }
  },

  listApprovalGrants: (_, { store }) => {
    const grants = listGrants(store.read).map(({ subject: _subject, authority, ...grant }) => ({
      ...grant,
      requested_authority: authority,
    }))
    return { grants, count: grants.length }
  },

  deleteApprovalGrant: ({ params }, { store }) => {
    const grant = deleteGrant(store.durable, params.id)
    if (!grant) throw new RuntimeError('not_found', `approval grant ${params.id} not found`)
    return { id: grant.id, deleted: true }
  },
}

/** Characters that are not seen would let a text rewrite the line that a terminal shows it in. */
const unseen = /\p{Cc}|\p{Cf}|[\u2028\u2029]/gu
/** The same, but for the line ends and tabs of a longer text. */
const unseenInText = /[^\P{Cc}\t\n]|\p{Cf}|[\u2028\u2029]/gu

function decider({ decided_by, operator, reason }: Decision) {
  const name = (decided_by ?? operator ?? '').replaceAll(unseen, '').trim()
  const why = reason?.replaceAll(unseenInText, '').trim() ?? ''
  return { decided_by: name === '' ? 'api' : name, reason: why === '' ? null : why }
}

function view(row: ApprovalRow): Approval {
  const { subject: _subject, seq: _seq, status: _status, policy_rule, ...fields } = row
  const leftMs = row.status === 'pending' ? Date.parse(row.timeout_at) - Date.now() : 0
  return {
    ...fields,
    policy_rule,
    status: statusText(row),
    expires_in_seconds: Math.max(0, Math.ceil(leftMs / 1000)),
  }
}
