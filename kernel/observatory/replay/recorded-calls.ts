import { callSignature } from '#sdk/call-signature.ts'
import type { ToolCall } from '#sdk/messages.ts'
import type { ToolOutcome, TurnStep } from '#sdk/services/agent.ts'

/** What a model is told of a call that was not made in the turn. */
const simulatedOutcome: ToolOutcome = {
  status: 'denied',
  output:
    'Not run: this is a replay of an earlier turn, in which no tool runs. Calls that were made in that turn are answered as they were then; this one was not among them.',
  duration_ms: 0,
}

export interface AnsweredCall {
  outcome: ToolOutcome
  answered: 'recorded' | 'simulated'
}

/**
 * The outcomes that the calls of a turn had, for the same calls: one made several times is answered in the same order,
 * and from then on as it was the last time.
 */
export function recordedCalls(steps: readonly TurnStep[]): (call: ToolCall) => AnsweredCall {
  const outcomes = new Map<string, ToolOutcome[]>()
  for (const step of steps) {
    if (step.kind !== 'tool' || !step.outcome) continue
    const key = callSignature(step.call)
    outcomes.set(key, [...(outcomes.get(key) ?? []), step.outcome])
  }
  return (call) => {
    const waiting = outcomes.get(callSignature(call))
    const outcome = waiting !== undefined && waiting.length > 1 ? waiting.shift() : waiting?.[0]
    return outcome ? { outcome, answered: 'recorded' } : { outcome: simulatedOutcome, answered: 'simulated' }
  }
}
