import type { ToolCallRow } from '#kernel/store/tool-calls.ts'
import type { TurnToolCall } from '#sdk/contracts/turns.ts'

const succeeded: ReadonlySet<string> = new Set(['success', 'partial_success', 'running'])

export function toolCallFailed({ status }: Pick<ToolCallRow, 'status'>): boolean {
  return !succeeded.has(status)
}

/** A tool call as the Observatory and the audit show it. */
export function toolCallView(call: ToolCallRow): TurnToolCall & Pick<ToolCallRow, 'turn_id'> {
  return { ...call, error: toolCallFailed(call) ? call.output : null }
}
