import type { ModelMessage, ToolCall } from '#sdk/messages.ts'
import type { TurnEnd, TurnJob, TurnStep } from '#sdk/services/agent.ts'
import { conversation, type Round, readJournal, saidSoFar } from './journal.ts'
import { joined } from './speech.ts'

/** What a turn does next. */
export type Action =
  | { do: 'plan_context'; seq: number }
  | { do: 'infer'; seq: number; messages: ModelMessage[] }
  | { do: 'call_tools'; calls: { seq: number; call: ToolCall }[] }
  | { do: 'finish'; end: TurnEnd }

/** The same call asked for so many times in a row ends the turn. */
const maxRepeats = 3
const noAnswer = 'The model gave no answer, also when asked again.'

/**
 * The state machine of a turn: plan → infer → call tools → infer → … → finish. A pure function of the journal, so
 * that going on after a crash is the same as going on.
 */
export function nextAction(steps: readonly TurnStep[], job: TurnJob, now: number): Action {
  const { plan, rounds, nextSeq } = readJournal(steps, job)
  if (!plan) return { do: 'plan_context', seq: nextSeq }
  const last = rounds.at(-1)
  const open = last?.calls.filter(({ outcome }) => outcome === null) ?? []
  if (last && last.calls.length === 0 && last.text !== '') return finish('ok', saidSoFar(rounds), null, rounds)
  if (last && isBlank(last) && isBlank(rounds.at(-2)))
    return finish('error', joined(saidSoFar(rounds), noAnswer), 'empty answer', rounds)

  const limit = reachedLimit(rounds, job, now)
  if (limit) return finish('limit', joined(saidSoFar(rounds), limit), limit, rounds)
  if (open.length > 0) return { do: 'call_tools', calls: open.map(({ seq, call }) => ({ seq, call })) }
  return { do: 'infer', seq: nextSeq, messages: conversation(plan, rounds, job) }
}

function isBlank(round: Round | undefined): boolean {
  return round !== undefined && round.calls.length === 0 && round.text === ''
}

function finish(status: TurnEnd['status'], content: string, reason: string | null, rounds: readonly Round[]): Action {
  return {
    do: 'finish',
    end: { status, content, reason, react_turns: rounds.filter(({ calls }) => calls.length > 0).length },
  }
}

/** Which limit of the turn is reached, in a sentence for the user, or null. */
function reachedLimit(rounds: readonly Round[], { limits }: TurnJob, now: number): string | null {
  const done = rounds.filter(({ calls }) => calls.length > 0).length
  const tokens = rounds.reduce((sum, { result }) => sum + result.usage.tokens_in + result.usage.tokens_out, 0)
  const cost = rounds.reduce((sum, { result }) => sum + result.cost, 0)
  if (now >= Date.parse(limits.deadline))
    return `I stopped here: the time for this turn is over, after ${done} rounds of tools.`
  if (done > limits.max_steps)
    return `I stopped here: the limit of ${limits.max_steps} rounds of tools for one turn is reached.`
  if (limits.max_tokens !== null && tokens >= limits.max_tokens)
    return `I stopped here: the limit of ${limits.max_tokens} tokens for one turn is reached.`
  if (limits.max_cost !== null && cost >= limits.max_cost)
    return `I stopped here: the limit of $${limits.max_cost} for one turn is reached.`
  const calls = rounds.flatMap((round) => round.calls.map(({ call }) => `${call.name} ${call.arguments}`))
  const repeated = calls.length >= maxRepeats && new Set(calls.slice(-maxRepeats)).size === 1
  return repeated
    ? `I stopped here: the same tool was asked for ${maxRepeats} times in a row with the same input.`
    : null
}
