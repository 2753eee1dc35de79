import type { Context } from '#kernel/context.ts'
import type { AccountRow } from '#kernel/store/budgets.ts'
import { budgetScopes } from '#sdk/budgets.ts'
import type { Budget, BudgetAccount } from '#sdk/contracts/budgets.ts'
import { timestamp } from '#sdk/ids.ts'
import { budgetLinesOf } from './lines.ts'
import { toDollars } from './nanodollars.ts'
import { beginningOf, dayOf, endOf, periodOf } from './places.ts'

/** Every budget with its lines and the newest accounts that count in this day. */
export async function budgetOverview(
  { limit }: { limit: number },
  { config, store, costs }: Pick<Context, 'config' | 'store' | 'costs'>,
): Promise<{ day: string; budgets: Budget[]; max_output_tokens: number }> {
  costs.flush()
  const day = dayOf(timestamp())
  const lines = budgetLinesOf(config.current())
  const budgets = budgetScopes.map(async (scope): Promise<Budget> => {
    const { cost, tokens } = lines[scope]
    const rows = await store.pool.run('listBudgetAccounts', { scope, period: periodOf(scope, day), limit })
    return {
      scope,
      soft_cost: cost.soft,
      hard_cost: cost.hard,
      soft_tokens: tokens.soft,
      hard_tokens: tokens.hard,
      accounts: (scope === 'day' && rows.length === 0 ? [unspentDay(day)] : rows).map((row) =>
        accountOf(row, { cost: cost.hard, tokens: tokens.hard }),
      ),
    }
  })
  return { day, budgets: await Promise.all(budgets), max_output_tokens: config.current().budgets.max_output_tokens }
}

function unspentDay(day: string): AccountRow {
  const nothing = { cost: 0, tokens: 0, reserved_cost: 0, reserved_tokens: 0, unsettled_cost: 0, unsettled_tokens: 0 }
  return { scope: 'day', key: '', period: day, ...nothing, soft_at: null, hard_at: null, opened_at: beginningOf(day) }
}

function accountOf(row: AccountRow, hard: { cost: number | null; tokens: number | null }): BudgetAccount {
  const { key, period, soft_at, hard_at, opened_at } = row
  return {
    key,
    cost: amountsOf(toDollars(row.cost), toDollars(row.reserved_cost), toDollars(row.unsettled_cost), hard.cost),
    tokens: amountsOf(row.tokens, row.reserved_tokens, row.unsettled_tokens, hard.tokens),
    soft_at,
    hard_at,
    opened_at,
    begins_anew_at: endOf(period),
  }
}

function amountsOf(spent: number, reserved: number, unsettled: number, hard: number | null): BudgetAccount['cost'] {
  const left = hard === null ? null : Math.max(0, hard - spent - reserved - unsettled)
  return { spent, reserved, unsettled, left }
}
