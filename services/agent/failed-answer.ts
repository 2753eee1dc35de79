import { isErrorOf, type RuntimeError } from '#sdk/errors.ts'
import type { TurnEnd, TurnJob } from '#sdk/services/agent.ts'
import type { Round } from './journal.ts'
import { reachedLimit, roundsOfTools } from './limits.ts'
import { joined } from './speech.ts'

/** No model could answer, or none to the end: the user keeps what was said and is told why there is no more. */
export function unansweredEnd(
  error: RuntimeError,
  { job, rounds, heard }: { job: TurnJob; rounds: readonly Round[]; heard: string },
): TurnEnd {
  const react_turns = roundsOfTools(rounds)
  const limit = reachedLimit(rounds, job, Date.now())
  if (limit !== null) return { status: 'limit', content: joined(heard, limit), reason: limit, react_turns }
  // It says itself which budget that is, how it stands and when there is more.
  if (isErrorOf(error, 'budget_exhausted'))
    return { status: 'limit', content: joined(heard, error.message), reason: error.message, react_turns }
  const reason = reasonOf(error, job)
  const apology = `I am sorry, I could not get an answer from a model provider: ${reason}.`
  return { status: 'error', content: joined(heard, apology), reason, react_turns }
}

function reasonOf(error: RuntimeError, { limits }: TurnJob): string {
  if (isErrorOf(error, 'timeout') && limits.model_call_timeout_ms !== null)
    return `the model did not answer within ${limits.model_call_timeout_ms / 1000} s (model_call_timeout_ms)`
  return error.message.replace(/\.$/, '')
}
