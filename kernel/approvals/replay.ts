import type { Logger } from 'pino'
import { type ApprovalRow, listUnusedApprovals } from '#kernel/store/approvals.ts'
import { type CallDeps, callApproved, preview } from '#kernel/tools/call-tool.ts'
import type { Toolbox } from '#kernel/tools/toolbox.ts'
import { reasonOf } from '#sdk/errors.ts'
import type { Approvals } from './approvals.ts'

export interface ReplayDeps extends CallDeps {
  approvals: Approvals
  toolbox: Pick<Toolbox, 'find'>
  log: Logger
  signal: AbortSignal
}

/**
 * Runs, once they are approved, the calls that no turn waits for: those made over the API. Calls of turns go on in their
 * turn. Begins with those that an earlier kernel had approved and not begun.
 */
export function replayApprovedCalls(deps: ReplayDeps): void {
  const { approvals, store, log, signal } = deps
  // The next kernel begins them.
  if (signal.aborted) return
  const replay = (approval: ApprovalRow) => {
    if (signal.aborted) return
    replayCall(approval, deps).catch((err) => log.error({ err, request_id: approval.id }, 'an approved call failed'))
  }
  approvals.onDecided((approval) => {
    if (approval.turn_id === null && approval.status === 'approved') replay(approval)
  })
  for (const approval of listUnusedApprovals(store.read)) replay(approval)
}

async function replayCall(approval: ApprovalRow, deps: ReplayDeps): Promise<void> {
  const { toolbox, bus, signal } = deps
  const { id: request_id, tool_name, turn_id } = approval
  const named = { request_id, tool: tool_name, turn_id }
  const failed = (error: string) => bus.publish('approval_replay_failed', { ...named, error })
  bus.publish('approval_replay_started', named)
  try {
    const result = await callApproved(approval, toolbox.find(tool_name), signal, deps)
    if (result?.kind === 'denied') failed(result.reason)
    if (result?.kind !== 'done') return
    const { status, output } = result.answer
    if (status === 'success' || status === 'partial_success')
      bus.publish('approval_replay_succeeded', { ...named, output: preview(output) })
    else failed(preview(output))
  } catch (thrown) {
    failed(reasonOf(thrown))
    throw thrown
  }
}
