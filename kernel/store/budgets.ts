import type { Account, BudgetScope } from '#sdk/budgets.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

/** What names an account. `period` is a UTC day, or empty for what counts without end. */
export interface AccountPlace {
  scope: BudgetScope
  key: string
  period: string
}

/** Billionths of a dollar, and tokens. */
export interface AccountSums {
  cost: number
  tokens: number
  reserved_cost: number
  reserved_tokens: number
  unsettled_cost: number
  unsettled_tokens: number
}

export interface AccountRow extends AccountPlace, AccountSums {
  soft_at: string | null
  hard_at: string | null
  opened_at: string
}

const accountColumns =
  'scope, key, period, cost, tokens, reserved_cost, reserved_tokens, unsettled_cost, unsettled_tokens, soft_at, hard_at, opened_at'

export function findBudgetAccount(db: ReadableDb, { scope, key, period }: AccountPlace): AccountRow | undefined {
  const text = `SELECT ${accountColumns} FROM budget_accounts WHERE scope = ? AND key = ? AND period = ?`
  return sql(db, text).get(scope, key, period) as AccountRow | undefined
}

const nothing: AccountSums = {
  cost: 0,
  tokens: 0,
  reserved_cost: 0,
  reserved_tokens: 0,
  unsettled_cost: 0,
  unsettled_tokens: 0,
}

/** Opens the account when it is not there yet; returns what it holds afterwards. What is set aside never goes below nothing. */
export function addToBudgetAccount(
  db: WritableDb,
  { scope, key, period }: AccountPlace,
  change: Partial<AccountSums>,
  now: string,
): AccountRow {
  return sql(
    db,
    `INSERT INTO budget_accounts
       (scope, key, period, cost, tokens, reserved_cost, reserved_tokens, unsettled_cost, unsettled_tokens, opened_at)
     VALUES
       (@scope, @key, @period, @cost, @tokens, max(0, @reserved_cost), max(0, @reserved_tokens), max(0, @unsettled_cost), max(0, @unsettled_tokens), @now)
     ON CONFLICT DO UPDATE SET
       cost = cost + @cost,
       tokens = tokens + @tokens,
       reserved_cost = max(0, reserved_cost + @reserved_cost),
       reserved_tokens = max(0, reserved_tokens + @reserved_tokens),
       unsettled_cost = max(0, unsettled_cost + @unsettled_cost),
       unsettled_tokens = max(0, unsettled_tokens + @unsettled_tokens)
     RETURNING ${accountColumns}`,
  ).get({ ...nothing, ...change, scope, key, period, now }) as AccountRow
}

/** Says whether it is the first time. */
export function markBudgetLine(
  db: WritableDb,
  line: 'soft' | 'hard',
  { scope, key, period }: AccountPlace,
  now: string,
): boolean {
  const text = `UPDATE budget_accounts SET ${line}_at = @now
    WHERE scope = @scope AND key = @key AND period = @period AND ${line}_at IS NULL`
  return sql(db, text).run({ scope, key, period, now }).changes > 0
}

export interface ReservationRow extends Account {
  id: string
  holder: string
  model: string
  day: string
  /** Billionths of a dollar. */
  cost: number
  tokens: number
  created_at: string
  unsettled_at: string | null
}

const reservationColumns =
  'id, holder, model, session_id, job_id, subagent_id, api_key, day, cost, tokens, created_at, unsettled_at'

export function insertReservation(db: WritableDb, reservation: Omit<ReservationRow, 'unsettled_at'>): void {
  sql(
    db,
    `INSERT INTO budget_reservations
       (id, holder, model, session_id, job_id, subagent_id, api_key, day, cost, tokens, created_at)
     VALUES (@id, @holder, @model, @session_id, @job_id, @subagent_id, @api_key, @day, @cost, @tokens, @created_at)`,
  ).run(reservation)
}

/** Takes it out of the table; undefined where there is none. */
export function takeReservation(db: WritableDb, id: string): ReservationRow | undefined {
  const text = `DELETE FROM budget_reservations WHERE id = ? RETURNING ${reservationColumns}`
  return sql(db, text).get(id) as ReservationRow | undefined
}

/** Who has reservations that are open. */
export function listReservationHolders(db: ReadableDb): string[] {
  const text = 'SELECT DISTINCT holder FROM budget_reservations WHERE unsettled_at IS NULL'
  return (sql(db, text).all() as { holder: string }[]).map(({ holder }) => holder)
}

/** Marks those of a holder that are open as unsettled, and returns them. */
export function leaveUnsettled(db: WritableDb, holder: string, now: string): ReservationRow[] {
  const text = `UPDATE budget_reservations SET unsettled_at = ? WHERE holder = ? AND unsettled_at IS NULL
    RETURNING ${reservationColumns}`
  return sql(db, text).all(now, holder) as ReservationRow[]
}

/** The accounts of a scope in a period, the newest first. */
export function listBudgetAccounts(
  db: ReadableDb,
  { scope, period, limit }: { scope: BudgetScope; period: string; limit: number },
): AccountRow[] {
  const text = `SELECT ${accountColumns} FROM budget_accounts WHERE scope = ? AND period = ?
    ORDER BY opened_at DESC, key LIMIT ?`
  return sql(db, text).all(scope, period, limit) as AccountRow[]
}

/**
 * Removes up to `limit` accounts of days before `day` and of sessions that are gone, and as many reservations that have
 * been left unsettled before; returns how many rows that were.
 */
export function pruneBudgets(db: WritableDb, { day, limit }: { day: string; limit: number }): number {
  const old = `DELETE FROM budget_accounts WHERE (scope, key, period) IN (
    SELECT scope, key, period FROM budget_accounts WHERE period <> '' AND period < ? LIMIT ?)`
  const orphaned = `DELETE FROM budget_accounts WHERE (scope, key, period) IN (
    SELECT scope, key, period FROM budget_accounts
    WHERE scope = 'session' AND opened_at < ? AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = key) LIMIT ?)`
  const unsettled = `DELETE FROM budget_reservations WHERE id IN (
    SELECT id FROM budget_reservations WHERE unsettled_at < ? LIMIT ?)`
  return [old, orphaned, unsettled].reduce((sum, text) => sum + sql(db, text).run(day, limit).changes, 0)
}
