import { callSignature } from '#sdk/call-signature.ts'
import type { TurnJob } from '#sdk/services/agent.ts'
import type { Round } from './journal.ts'

/** The same call asked for so many times in a row ends the turn. */
const maxRepeats = 3
const maxNamedTools = 5

/** What the turn has used of what its limits count. */
export interface Spent {
  /** Answers that asked for tools, whether or not these have run. */
  rounds: number
  tokens: number
  /** Dollars. */
  cost: number
}

export function spentBy(rounds: readonly Round[]): Spent {
  return {
    rounds: rounds.filter(({ calls }) => calls.length > 0).length,
    tokens: rounds.reduce((sum, { result }) => sum + result.usage.tokens_in + result.usage.tokens_out, 0),
    cost: rounds.reduce((sum, { result }) => sum + result.cost, 0),
  }
}

/** How many answers had tools run for them. */
export function roundsOfTools(rounds: readonly Round[]): number {
  return rounds.filter(({ calls }) => calls.some(({ outcome }) => outcome !== null)).length
}

/** Which limit of the turn is reached and what was done until then, in sentences for the user; null when none is. */
export function reachedLimit(rounds: readonly Round[], job: Pick<TurnJob, 'limits'>, now: number): string | null {
  const limit = nameOfLimit(rounds, job, now)
  return limit === null ? null : `I stopped here: ${limit}. ${workDone(rounds)}`
}

function nameOfLimit(rounds: readonly Round[], { limits }: Pick<TurnJob, 'limits'>, now: number): string | null {
  const spent = spentBy(rounds)
  if (now >= Date.parse(limits.deadline)) return 'the time for this turn is over'
  if (spent.rounds > limits.max_steps)
    return `the limit of ${limits.max_steps} ${limits.max_steps === 1 ? 'round' : 'rounds'} of tools for one turn is reached`
  if (limits.max_tokens !== null && spent.tokens >= limits.max_tokens)
    return `the limit of ${limits.max_tokens} tokens for one turn is reached`
  if (limits.max_cost !== null && spent.cost >= limits.max_cost)
    return `the limit of $${limits.max_cost} for one turn is reached`
  const last = rounds.flatMap(({ calls }) => calls.map(({ call }) => call)).slice(-maxRepeats)
  const repeated = last.length === maxRepeats && new Set(last.map(callSignature)).size === 1
  return repeated ? `${last[0]?.name} was asked for ${maxRepeats} times in a row with the same input` : null
}

function workDone(rounds: readonly Round[]): string {
  const counts = new Map<string, number>()
  for (const { call, outcome } of rounds.flatMap(({ calls }) => calls)) {
    if (outcome) counts.set(call.name, (counts.get(call.name) ?? 0) + 1)
  }
  if (counts.size === 0) return 'No tool has run.'
  const named = [...counts]
    .slice(0, maxNamedTools)
    .map(([name, count]) => (count > 1 ? `${name} (${count} times)` : name))
  const more = counts.size > maxNamedTools ? ` and ${counts.size - maxNamedTools} more` : ''
  return `Tools that have run: ${named.join(', ')}${more}.`
}
