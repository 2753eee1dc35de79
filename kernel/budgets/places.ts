import type { AccountPlace } from '#kernel/store/budgets.ts'
import { type Account, type BudgetScope, budgetScopes, keyOf } from '#sdk/budgets.ts'
import { timestamp } from '#sdk/ids.ts'

const dayMs = 86_400_000

/** The UTC day of a time. */
export function dayOf(time: string): string {
  return time.slice(0, 'YYYY-MM-DD'.length)
}

/** The period in which a scope counts what is spent on this day; empty for a session, which counts its whole life. */
export function periodOf(scope: BudgetScope, day: string): string {
  return scope === 'session' ? '' : day
}

/** Where what an account spends on this day is counted. */
export function placesOf(account: Account, day: string): AccountPlace[] {
  return budgetScopes.flatMap((scope) => {
    const key = keyOf(scope, account)
    return key === null ? [] : [{ scope, key, period: periodOf(scope, day) }]
  })
}

export function beginningOf(day: string): string {
  return timestamp(Date.parse(day))
}

/** When a period is over; null for one without end. */
export function endOf(period: string): string | null {
  return period === '' ? null : timestamp(Date.parse(period) + dayMs)
}
