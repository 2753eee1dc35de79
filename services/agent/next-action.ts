import type { ModelMessage, ToolCall } from '#sdk/messages.ts'
import type { TurnEnd, TurnJob, TurnStep } from '#sdk/services/agent.ts'
import { conversation } from './conversation.ts'
import { type Round, readJournal, saidSoFar } from './journal.ts'
import { reachedLimit, roundsOfTools } from './limits.ts'
import { blockedAnswer, blockedReason, isUnsafe } from './output-scan.ts'
import { joined } from './speech.ts'

/** What a turn does next. */
export type Action =
  | { do: 'plan_context'; seq: number }
  | { do: 'infer'; seq: number; messages: ModelMessage[] }
  | { do: 'call_tools'; calls: { seq: number; call: ToolCall }[] }
  | { do: 'finish'; end: TurnEnd }

/** An answer without a word and without a call is asked for once more, once a turn. */
const maxBlankAnswers = 2
const noAnswer = 'The model gave no answer, also when asked again.'

/**
 * The state machine of a turn: plan → infer → call tools → infer → … → finish. A pure function of the journal, so
 * that going on after a crash is the same as going on.
 */
export function nextAction(steps: readonly TurnStep[], job: TurnJob, now: number): Action {
  const { plan, rounds, nextSeq } = readJournal(steps, job)
  if (!plan) return { do: 'plan_context', seq: nextSeq }
  const end = reachedEnd(rounds, job, now)
  if (end) return { do: 'finish', end }
  const open = rounds.at(-1)?.calls.filter(({ outcome }) => outcome === null) ?? []
  if (open.length > 0) return { do: 'call_tools', calls: open.map(({ seq, call }) => ({ seq, call })) }
  return { do: 'infer', seq: nextSeq, messages: conversation(plan, rounds, job) }
}

/** The end of a turn whose answer is unsafe, at whatever point that was seen. */
export function blockedEnd(rounds: readonly Round[]): TurnEnd {
  return { status: 'blocked', content: blockedAnswer, reason: blockedReason, react_turns: roundsOfTools(rounds) }
}

function reachedEnd(rounds: readonly Round[], job: TurnJob, now: number): TurnEnd | undefined {
  const said = saidSoFar(rounds)
  if (isUnsafe(said)) return blockedEnd(rounds)
  const react_turns = roundsOfTools(rounds)
  const last = rounds.at(-1)
  if (last?.calls.length === 0 && last.text !== '') return { status: 'ok', content: said, reason: null, react_turns }
  if (last && isBlank(last) && rounds.filter(isBlank).length >= maxBlankAnswers)
    return { status: 'error', content: joined(said, noAnswer), reason: 'empty answer', react_turns }
  const limit = reachedLimit(rounds, job, now)
  return limit === null ? undefined : { status: 'limit', content: joined(said, limit), reason: limit, react_turns }
}

function isBlank({ calls, text }: Round): boolean {
  return calls.length === 0 && text === ''
}
