import type { EventBus } from '#kernel/events/bus.ts'
import { type ApprovalRow, useApproval } from '#kernel/store/approvals.ts'
import { beginToolCall, closeToolCall, findToolCallOfApproval, openToolCall } from '#kernel/store/tool-calls.ts'
import { newId } from '#sdk/ids.ts'
import { redactText } from '#sdk/redact.ts'
import type { ToolOutcome } from '#sdk/services/agent.ts'
import { admit, auditFields, type GateDeps, readmit, versionOf, type WantedCall } from './gate.ts'
import { runTool } from './run-tool.ts'
import type { Tool, ToolAnswer, ToolCaller } from './tool.ts'
import { tracedTool } from './traced-tool.ts'

const previewLength = 500

export interface CallDeps extends GateDeps {
  bus: EventBus
}

export type CallResult =
  | { kind: 'done'; tool_call_id: string; answer: ToolAnswer; duration_ms: number }
  | { kind: 'denied'; rule: string; reason: string }
  | { kind: 'awaiting_approval'; approval: ApprovalRow }

/** A call outside a turn: of the API, a schedule, a peer. Input that the tool does not take is an error for its caller to word. */
export async function callTool(
  { tool, input, caller }: { tool: Tool; input: Record<string, unknown>; caller: ToolCaller },
  signal: AbortSignal,
  deps: CallDeps,
): Promise<CallResult> {
  const { store } = deps
  const wanted: WantedCall = { tool, input, caller, seq: null }
  const admission = admit(wanted, deps)
  if (admission.decision === 'gate') return { kind: 'awaiting_approval', approval: admission.approval }
  if (admission.decision === 'deny') {
    const { rule, reason } = admission
    const id = openToolCall(store.write, auditFields(wanted))
    closeToolCall(store.write, id, { status: 'denied', output: `Denied: ${reason}`, duration_ms: 0 })
    return { kind: 'denied', rule, reason }
  }
  return runOutsideTurn(wanted, openToolCall(store.write, auditFields(wanted), 'running', admission.approval_id), {
    signal,
    ...deps,
  })
}

/**
 * The call that a person has just allowed, exactly as it was shown; undefined when it is already under way. One that the
 * rules no longer let through, or whose tool is gone, uses its approval up all the same: it does not come back later.
 */
export async function callApproved(
  approval: ApprovalRow,
  tool: Tool | undefined,
  signal: AbortSignal,
  deps: CallDeps,
): Promise<CallResult | undefined> {
  const { durable, read } = deps.store
  const { turn_id, session_id, agent_id, channel, requested_authority: authority } = approval
  const caller = { turn_id, session_id, agent_id, channel, authority }
  const input = JSON.parse(approval.tool_input) as Record<string, unknown>
  const rowId = findToolCallOfApproval(read, approval.id)?.id ?? ''
  const wanted: WantedCall | undefined = tool && { tool, input, caller, seq: null }
  const admission = wanted ? readmit(wanted, approval, deps) : goneFor(approval)
  if (!wanted || admission.decision === 'deny') {
    const { rule, reason } = admission.decision === 'deny' ? admission : goneFor(approval)
    durable.transaction(() => {
      useApproval(durable, approval.id)
      closeToolCall(durable, rowId, { status: 'denied', output: `Denied: ${reason}`, duration_ms: 0 })
    })()
    return { kind: 'denied', rule, reason }
  }
  // Together: a call that has begun is on record as begun.
  const isMine = durable.transaction(() => {
    const used = useApproval(durable, approval.id)
    if (used) beginToolCall(durable, rowId)
    return used
  })()
  return isMine ? runOutsideTurn(wanted, rowId, { signal, ...deps }) : undefined
}

function goneFor({ tool_name }: ApprovalRow) {
  return { decision: 'deny' as const, rule: 'approval', reason: `there is no tool named ${tool_name} any more` }
}

async function runOutsideTurn(
  wanted: WantedCall,
  tool_call_id: string,
  { store, bus, signal }: Pick<CallDeps, 'store' | 'bus'> & { signal: AbortSignal },
): Promise<CallResult> {
  const { tool, input, caller } = wanted
  const startedAt = Date.now()
  const version = versionOf(wanted)
  const named = { turn_id: null, session_id: caller.session_id, tool_call_id, tool: tool.name, tool_name: tool.name }
  bus.publish('tool_call_started', { ...named, input_preview: preview(JSON.stringify(input)) })
  const close = (answer: ToolAnswer) => {
    const outcome: ToolOutcome = { ...answer, duration_ms: Date.now() - startedAt }
    closeToolCall(store.write, tool_call_id, outcome)
    const told = { status: outcome.status, duration_ms: outcome.duration_ms, output_preview: preview(outcome.output) }
    bus.publish('tool_call', { ...named, ...told })
    bus.publish('tool_call_result', { ...named, ...told })
    return outcome.duration_ms
  }
  try {
    const answer = await tracedTool(wanted, tool_call_id, () =>
      runTool(tool, input, { call_id: newId(), caller, version, signal }),
    )
    return { kind: 'done', tool_call_id, answer, duration_ms: close(answer) }
  } catch (thrown) {
    close({ status: 'unknown', output: 'The caller went away while it ran.' })
    throw thrown
  }
}

/** The beginning of a text, fit to be announced. */
export function preview(text: string): string {
  return redactText(text.slice(0, previewLength))
}
