import type { EventBus } from '#kernel/events/bus.ts'
import { type ApprovalRow, useApproval } from '#kernel/store/approvals.ts'
import { closeToolCall, openToolCall } from '#kernel/store/tool-calls.ts'
import { newId } from '#sdk/ids.ts'
import { redactText } from '#sdk/redact.ts'
import type { ToolOutcome } from '#sdk/services/agent.ts'
import { type Admission, admit, auditFields, type GateDeps, versionOf, type WantedCall } from './gate.ts'
import { runTool } from './run-tool.ts'
import type { Tool, ToolAnswer, ToolCaller } from './tool.ts'

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
  const wanted: WantedCall = { tool, input, caller, seq: null }
  const admission: Admission = admit(wanted, deps)
  if (admission.decision === 'gate') return { kind: 'awaiting_approval', approval: admission.approval }
  if (admission.decision === 'deny') {
    const { rule, reason } = admission
    const id = openToolCall(deps.store.write, auditFields(wanted))
    closeToolCall(deps.store.write, id, { status: 'denied', output: `Denied: ${reason}`, duration_ms: 0 })
    return { kind: 'denied', rule, reason }
  }
  return runOutsideTurn(wanted, { signal, approval_id: admission.approval_id }, deps)
}

/** The call that a person has just allowed, exactly as it was shown; undefined when it is already under way. */
export async function callApproved(
  approval: ApprovalRow,
  wanted: WantedCall,
  signal: AbortSignal,
  deps: CallDeps,
): Promise<CallResult | undefined> {
  if (!useApproval(deps.store.durable, approval.id)) return undefined
  return runOutsideTurn(wanted, { signal, approval_id: approval.id }, deps)
}

async function runOutsideTurn(
  wanted: WantedCall,
  { signal, approval_id }: { signal: AbortSignal; approval_id: string | null },
  { store, bus }: CallDeps,
): Promise<CallResult> {
  const { tool, input, caller } = wanted
  const startedAt = Date.now()
  const fields = auditFields(wanted)
  const version = versionOf(wanted)
  const tool_call_id = openToolCall(store.write, fields, 'running', approval_id)
  const named = { turn_id: null, session_id: caller.session_id, tool_call_id, tool: tool.name, tool_name: tool.name }
  bus.publish('tool_call_started', { ...named, input_preview: preview(fields.input) })
  const close = (answer: ToolAnswer) => {
    const outcome: ToolOutcome = { ...answer, duration_ms: Date.now() - startedAt }
    closeToolCall(store.write, tool_call_id, outcome)
    const told = { status: outcome.status, duration_ms: outcome.duration_ms, output_preview: preview(outcome.output) }
    bus.publish('tool_call', { ...named, ...told })
    bus.publish('tool_call_result', { ...named, ...told })
    return outcome.duration_ms
  }
  try {
    const answer = await runTool(tool, input, { call_id: newId(), caller, version, signal })
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
