import type { ApprovalRow } from '#kernel/store/approvals.ts'
import { isErrorOf } from '#sdk/errors.ts'
import type { Approvals } from './approvals.ts'

export interface Word {
  name: 'approve' | 'deny'
  id: string
  decided_by: string
}

/** Decides about the one call that waits, and says what has become of it; also where there is nothing to decide. */
export function decideByWord(approvals: Pick<Approvals, 'decide'>, { name, id, decided_by }: Word): string {
  try {
    const decided: ApprovalRow =
      name === 'approve'
        ? approvals.decide(id, { status: 'approved', scope: 'once', decided_by, reason: null })
        : approvals.decide(id, { status: 'denied', scope: null, decided_by, reason: null })
    return `${name === 'approve' ? 'Approved' : 'Denied'}: ${decided.tool_name}.`
  } catch (thrown) {
    if (!isErrorOf(thrown, 'not_found', 'conflict')) throw thrown
    return `${thrown.message[0]?.toUpperCase()}${thrown.message.slice(1)}.`
  }
}
