import { turnTotals } from '#kernel/turns/finish-turn.ts'
import type { ReplaySide, ReplayStep } from '#sdk/contracts/replays.ts'
import { redactText } from '#sdk/redact.ts'
import type { TurnStep } from '#sdk/services/agent.ts'

/** How much of each text is told and kept, in characters. */
const maxContentChars = 65_536
const maxStepTextChars = 2_048
/** How many steps are told and kept. */
const maxSteps = 200

export type Answered = Extract<ReplayStep, { kind: 'tool' }>['answered']

/** One side of the comparison, from its journal. */
export function replaySide(
  steps: readonly TurnStep[],
  {
    answeredAt,
    ...end
  }: Pick<ReplaySide, 'status' | 'reason' | 'content' | 'latency_ms'> & { answeredAt: (seq: number) => Answered },
): ReplaySide {
  const { model, tokens_in, tokens_out, cost } = turnTotals(steps)
  return {
    model,
    tokens_in,
    tokens_out,
    cost,
    status: end.status,
    reason: end.reason,
    latency_ms: end.latency_ms,
    content: told(end.content, maxContentChars),
    steps: steps.slice(0, maxSteps).flatMap((step) => toldStep(step, answeredAt)),
  }
}

/** A finished step as it is told; none for the plan, and for what has not ended. */
export function toldStep(step: TurnStep, answeredAt: (seq: number) => Answered): ReplayStep[] {
  if (step.kind === 'inference' && step.result) {
    const { model, usage, cost, latency_ms, cached, text, tool_calls } = step.result
    const { tokens_in, tokens_out } = usage
    const tools = tool_calls.map(({ name }) => name)
    const numbers = { tokens_in, tokens_out, cost, latency_ms, cached }
    return [{ kind: 'model', seq: step.seq, model, ...numbers, text: told(text, maxStepTextChars), tools }]
  }
  if (step.kind === 'tool' && step.outcome) {
    const { status, output, duration_ms } = step.outcome
    return [
      {
        kind: 'tool',
        seq: step.seq,
        tool_name: step.call.name,
        input: told(step.call.arguments, maxStepTextChars),
        status,
        output: told(output, maxStepTextChars),
        duration_ms,
        answered: answeredAt(step.seq),
      },
    ]
  }
  return []
}

/** A secret at the cut is known by what follows it; what lies far beyond is neither told nor looked at. */
function told(text: string, maxChars: number): string {
  const lookedAt = text.slice(0, 2 * maxChars)
  const redacted = redactText(lookedAt)
  const isWhole = redacted.length <= maxChars && lookedAt.length === text.length
  return isWhole ? redacted : `${redacted.slice(0, maxChars).toWellFormed()} …`
}
