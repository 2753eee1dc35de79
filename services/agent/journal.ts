import type { ModelMessage, ToolCall } from '#sdk/messages.ts'
import type { ContextPlan, ToolOutcome, TurnJob, TurnStep } from '#sdk/services/agent.ts'
import type { InferenceResult } from '#sdk/services/inference.ts'
import { plannedMessages } from './context.ts'
import { isUnsafe } from './output-scan.ts'
import { joined } from './speech.ts'
import { untrusted } from './system-prompt.ts'
import { writtenCalls } from './text-protocol.ts'

/** One answer of the model with the tools it asked for. */
export interface Round {
  /** The sequence number of its inference; the calls follow it in order. */
  seq: number
  result: InferenceResult
  /** What it says, tool protocol taken out. */
  text: string
  calls: { seq: number; call: ToolCall; outcome: ToolOutcome | null }[]
  /** The calls were written in the text, as the model has no native ones. */
  written: boolean
}

export interface JournalView {
  plan: ContextPlan | null
  rounds: Round[]
  /** Where the next step is written. */
  nextSeq: number
}

/** A turn's journal, read in the order in which it was written. A step without an end counts as not yet done. */
export function readJournal(steps: readonly TurnStep[], job: Pick<TurnJob, 'tools'>): JournalView {
  const offered = new Set(job.tools.map(({ name }) => name))
  const outcomes = new Map<number, ToolOutcome | null>()
  for (const step of steps) if (step.kind === 'tool') outcomes.set(step.seq, step.outcome)
  let plan: ContextPlan | null = null
  let nextSeq = 0
  const rounds: Round[] = []
  for (const step of [...steps].sort((left, right) => left.seq - right.seq)) {
    if (step.kind === 'context') {
      plan = step.plan
      nextSeq = step.seq + 1
    }
    if (step.kind !== 'inference' || !step.result) continue
    const { result, seq } = step
    const fromText = result.tool_calls.length === 0 ? writtenCalls(result.text, offered, `text-${seq}`) : null
    const calls = fromText ? fromText.calls : result.tool_calls
    rounds.push({
      seq,
      result,
      text: fromText ? fromText.text : result.text.trim(),
      calls: calls.map((call, index) => ({
        seq: seq + 1 + index,
        call,
        outcome: outcomes.get(seq + 1 + index) ?? null,
      })),
      written: fromText !== null && calls.length > 0,
    })
    nextSeq = seq + 1 + calls.length
  }
  return { plan, rounds, nextSeq }
}

/** Everything said so far, answers separated by a blank line. */
export function saidSoFar(rounds: readonly Round[]): string {
  return rounds.reduce((said, { text }) => joined(said, text), '')
}

/** The conversation up to the next call: what was planned, and what the rounds have added. */
export function conversation(plan: ContextPlan, rounds: readonly Round[], job: TurnJob): ModelMessage[] {
  return [...plannedMessages(plan, job), ...rounds.flatMap(roundMessages)]
}

function roundMessages({ result, text, calls, written }: Round): ModelMessage[] {
  if (calls.length === 0) return text === '' ? [] : [{ role: 'assistant', content: text }]
  const observed = calls.map(({ call, outcome }) => ({ call, content: observation(call.name, outcome) }))
  if (written) {
    return [
      { role: 'assistant', content: result.text },
      { role: 'user', content: observed.map(({ content }) => content).join('\n\n') },
    ]
  }
  return [
    { role: 'assistant', content: result.text, tool_calls: calls.map(({ call }) => call) },
    ...observed.map(
      ({ call, content }): ModelMessage => ({ role: 'tool', content, tool_call_id: call.id, name: call.name }),
    ),
  ]
}

function observation(tool: string, outcome: ToolOutcome | null): string {
  if (!outcome) return `${tool}: no outcome`
  const output = isUnsafe(outcome.output) ? '[the output was blocked by the safety filter]' : outcome.output
  return `${tool}: ${outcome.status}\n${untrusted(tool, output)}`
}
