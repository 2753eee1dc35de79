import type { BudgetRefusal, BudgetScope } from '#sdk/budgets.ts'
import { RuntimeError } from '#sdk/errors.ts'

export const budgetNames: Record<BudgetScope, string> = {
  day: "today's budget",
  session: "this session's budget",
  job: "this job's budget for today",
  subagent: "this sub-agent's budget for today",
  api_key: "this API key's budget for today",
}

/** Digits that tell sums of money apart which are much smaller than a cent. */
const moneyDigits = 4

/** A call that no budget pays for, told to a person: which one, how it stands and when it begins anew. */
export function budgetError(refusal: BudgetRefusal): RuntimeError {
  const { scope, measure, hard, spent, reserved, begins_anew_at: anew } = refusal
  const told = (amount: number) =>
    measure === 'cost'
      ? `$${Number(amount.toFixed(moneyDigits))}`
      : `${Math.round(amount).toLocaleString('en-US')} tokens`
  const name = budgetNames[scope]
  const state = spent >= hard ? 'is used up' : 'does not pay for this call'
  const held = reserved > 0 ? ` and ${told(reserved)} set aside for calls under way` : ''
  const end =
    anew === null ? 'A new session has its own.' : `It begins anew at ${anew.slice(0, 16).replace('T', ' ')} UTC.`
  return new RuntimeError(
    'budget_exhausted',
    `${name.charAt(0).toUpperCase()}${name.slice(1)} of ${told(hard)} ${state}: ${told(spent)} spent${held}. ${end}`,
    { budget: refusal },
  )
}
