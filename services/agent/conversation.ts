import { untrusted, withoutMarks } from '#sdk/boundaries.ts'
import { estimateTokens, type ModelMessage, textOf } from '#sdk/messages.ts'
import type { ContextPlan, ToolOutcome, TurnJob } from '#sdk/services/agent.ts'
import { plannedMessages } from './context.ts'
import { answerTokens } from './context-budget.ts'
import type { Round } from './journal.ts'
import { isUnsafe } from './output-scan.ts'

const blockedOutput = '[the output was blocked by the safety filter]'
const leftOutOutput = '[the output was left out to save room; ask again if it is needed]'

/**
 * The conversation up to the next call: what was planned, and what the rounds have added. The outputs of the oldest
 * tools are left out where all of them would not fit the model's window; those of the last round always stand.
 */
export function conversation(plan: ContextPlan, rounds: readonly Round[], job: TurnJob): ModelMessage[] {
  const planned = plannedMessages(plan, job)
  let room = job.context_max_tokens - answerTokens(job) - plan.tool_definition_tokens - tokensOf(planned)
  const added: ModelMessage[] = []
  for (const [fromEnd, round] of [...rounds].reverse().entries()) {
    const whole = roundMessages(round, job, observation)
    const fits = fromEnd === 0 || tokensOf(whole) <= room
    const messages = fits ? whole : roundMessages(round, job, () => leftOutOutput)
    room -= tokensOf(messages)
    added.unshift(...messages)
  }
  return [...planned, ...added]
}

type Observe = (tool: string, outcome: ToolOutcome, place: string) => string

function roundMessages({ result, text, calls, written }: Round, job: TurnJob, observe: Observe): ModelMessage[] {
  if (calls.length === 0) return text === '' ? [] : [{ role: 'assistant', content: text }]
  const observed = calls.map(({ call, outcome, seq: at }) => ({
    call,
    content: outcome
      ? `${call.name}: ${outcome.status}\n${observe(call.name, outcome, `${job.turn_id} ${at}`)}`
      : `${call.name}: no outcome`,
  }))
  if (written) {
    return [
      { role: 'assistant', content: withoutMarks(result.text) },
      { role: 'user', content: observed.map(({ content }) => content).join('\n\n') },
    ]
  }
  return [
    { role: 'assistant', content: text, tool_calls: calls.map(({ call }) => call) },
    ...observed.map(
      ({ call, content }): ModelMessage => ({ role: 'tool', content, tool_call_id: call.id, name: call.name }),
    ),
  ]
}

function observation(tool: string, { output }: ToolOutcome, place: string): string {
  return untrusted(tool, isUnsafe(output) ? blockedOutput : output, place)
}

function tokensOf(messages: readonly ModelMessage[]): number {
  return messages.reduce(
    (sum, { content, tool_calls }) =>
      sum + estimateTokens(textOf(content)) + (tool_calls ? estimateTokens(JSON.stringify(tool_calls)) : 0),
    0,
  )
}
