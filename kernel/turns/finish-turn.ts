import { queueIngest } from '#kernel/store/memory-ingest.ts'
import { appendMessage, type MessageRow } from '#kernel/store/messages.ts'
import { setSessionModel } from '#kernel/store/sessions.ts'
import type { Store } from '#kernel/store/store.ts'
import { listSteps } from '#kernel/store/turn-steps.ts'
import { type FinishedTurn, findTurn, finishTurn } from '#kernel/store/turns.ts'
import type { TurnStep } from '#sdk/services/agent.ts'

export interface TurnTotals {
  tokens_in: number
  tokens_out: number
  cost: number
  tokens_saved: number
  /** What answered last. */
  model: string | null
  /** What the router chose for the last call. */
  selected_model: string | null
  cached: boolean
  quality_score: number | null
  thinking: string | null
  tools_used: string[]
  inference_calls: number
}

/** What a turn's journal adds up to: every call to a model is counted, also those of an attempt that was cut off later. */
export function turnTotals(steps: readonly TurnStep[]): TurnTotals {
  const results = steps.flatMap((step) => (step.kind === 'inference' && step.result ? [step.result] : []))
  const sum = (of: (result: (typeof results)[number]) => number) =>
    results.reduce((total, result) => total + of(result), 0)
  const last = results.at(-1)
  const thinking = results.flatMap((result) => (result.reasoning ? [result.reasoning] : [])).join('\n\n')
  return {
    tokens_in: sum((result) => result.usage.tokens_in),
    tokens_out: sum((result) => result.usage.tokens_out),
    cost: sum((result) => result.cost),
    tokens_saved: sum((result) => result.tokens_saved),
    model: last?.model ?? null,
    selected_model: last?.selected_model ?? null,
    cached: results.length > 0 && results.every((result) => result.cached),
    quality_score: last?.quality_score ?? null,
    thinking: thinking === '' ? null : thinking,
    tools_used: steps.flatMap((step) => (step.kind === 'tool' ? [step.call.name] : [])),
    inference_calls: results.length,
  }
}

/** What stands where an answer would be, when a turn was interrupted before there was one. */
export const noAnswer = '(interrupted before an answer)'

/** Failures have nothing to remember, and what was blocked is not to come back through the memory. */
function isMemorable({ status, content }: { status: FinishedTurn['status']; content: string }): boolean {
  if (status === 'interrupted') return content !== noAnswer
  return (status === 'ok' || status === 'limit') && content.trim() !== ''
}

/**
 * Stores the answer, its numbers, the turn's end and that it is to be remembered in one transaction. A turn that is over
 * stays as it is.
 */
export function storeTurnEnd(
  store: Pick<Store, 'write'>,
  end: { turn_id: string; status: FinishedTurn['status']; content: string; react_turns: number; error: string | null },
): { totals: TurnTotals; message: MessageRow } | undefined {
  return store.write.transaction(() => {
    const turn = findTurn(store.write, end.turn_id)
    if (turn?.status !== 'running') return undefined
    const totals = turnTotals(listSteps(store.write, turn.id))
    const usage = { tokens_in: totals.tokens_in, tokens_out: totals.tokens_out, cost: totals.cost, model: totals.model }
    const message = appendMessage(store.write, {
      session_id: turn.session_id,
      role: 'assistant',
      content: end.content,
      turn_id: turn.id,
      usage_json: JSON.stringify(usage),
    })
    finishTurn(store.write, {
      id: turn.id,
      status: end.status,
      assistant_message_id: message.id,
      thinking: totals.thinking,
      tokens_in: totals.tokens_in,
      tokens_out: totals.tokens_out,
      cost: totals.cost,
      model: totals.model,
      latency_ms: Date.now() - Date.parse(turn.created_at),
      cached: totals.cached,
      react_turns: end.react_turns,
      error: end.error,
    })
    if (isMemorable(end)) queueIngest(store.write, turn.id)
    if (totals.model) setSessionModel(store.write, turn.session_id, totals.model)
    return { totals, message }
  })()
}
