import { z } from 'zod'
import { budgetScope } from '../budgets.ts'
import { get } from '../route.ts'
import { clampedInteger } from './query.ts'
import { count, day, dollars, time } from './values.ts'

const amounts = z.object({
  /** Of what was billed for certain. */
  spent: z.number(),
  /** Set aside for calls under way. */
  reserved: z.number(),
  /** The worst case of calls whose end nobody saw. */
  unsettled: z.number(),
  /** What is left until the hard line; null where there is none. */
  left: z.number().nullable(),
})

export const budgetAccount = z.object({
  /** A session's, job's or sub-agent's id, or the name of an API key; empty for the day's. */
  key: z.string(),
  /** Dollars. */
  cost: amounts,
  tokens: amounts,
  /** When its lines were first met in this period. */
  soft_at: time.nullable(),
  hard_at: time.nullable(),
  opened_at: time,
  /** null: never. */
  begins_anew_at: time.nullable(),
})
export type BudgetAccount = z.infer<typeof budgetAccount>

export const budget = z.object({
  scope: budgetScope,
  soft_cost: dollars.nullable(),
  hard_cost: dollars.nullable(),
  soft_tokens: z.number().nullable(),
  hard_tokens: z.number().nullable(),
  /** The newest first. */
  accounts: z.array(budgetAccount),
})
export type Budget = z.infer<typeof budget>

export const budgetsRoutes = {
  listBudgets: get('/api/budgets', {
    summary: 'Budgets: their lines, what is spent, reserved and left',
    query: z.object({
      /** Accounts of each scope. */
      limit: clampedInteger(20, 1, 200),
    }),
    response: z.object({
      day,
      budgets: z.array(budget),
      /** What a call may answer at most that names no limit and that a hard line applies to. */
      max_output_tokens: count,
    }),
  }),
}
