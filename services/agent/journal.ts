import { withoutMarks } from '#sdk/boundaries.ts'
import type { ToolCall } from '#sdk/messages.ts'
import type { ContextPlan, ToolOutcome, TurnJob, TurnStep } from '#sdk/services/agent.ts'
import type { InferenceResult } from '#sdk/services/inference.ts'
import { joined } from './speech.ts'
import { writtenCalls } from './text-protocol.ts'

/** What one answer may ask for; more is left out, as if it had not been asked for. */
const maxCallsOfAnswer = 16
/** What a gateway writes where a model said nothing. */
const noResponse = '(no response)'

/** One answer of the model with the tools it asked for. */
export interface Round {
  /** The sequence number of its inference; the calls follow it in order. */
  seq: number
  result: InferenceResult
  /** What it says, tool protocol and marks taken out. Empty where it says nothing. */
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
    const calls = fromText ? fromText.calls : result.tool_calls.slice(0, maxCallsOfAnswer)
    const text = withoutMarks(fromText ? fromText.text : result.text).trim()
    rounds.push({
      seq,
      result,
      text: text.toLowerCase() === noResponse ? '' : text,
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
