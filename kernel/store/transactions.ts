import { newId, timestamp } from '#sdk/ids.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface NewTransaction {
  tx_type: string
  amount: number
  currency: string
  counterparty: string | null
  tx_hash: string | null
  metadata_json: string | null
  /** Names what it is booked for: the same is booked once. */
  idempotency_key: string
}

/** False where it was booked before. */
export function insertTransaction(db: WritableDb, booked: NewTransaction): boolean {
  return (
    sql(
      db,
      `INSERT INTO transactions (id, tx_type, amount, currency, counterparty, tx_hash, metadata_json, idempotency_key, created_at)
       VALUES (@id, @tx_type, @amount, @currency, @counterparty, @tx_hash, @metadata_json, @idempotency_key, @now)
       ON CONFLICT (idempotency_key) DO NOTHING`,
    ).run({ ...booked, id: newId(), now: timestamp() }).changes === 1
  )
}

export type TransactionRow = Omit<NewTransaction, 'idempotency_key'> & { id: string; created_at: string }

/** Newest first. */
export function listTransactions(
  db: ReadableDb,
  { since, limit, offset }: { since: string; limit: number; offset: number },
): { transactions: TransactionRow[]; total: number } {
  const text = `SELECT id, tx_type, amount, currency, counterparty, tx_hash, metadata_json, created_at FROM transactions
    WHERE created_at >= ? ORDER BY created_at DESC, rowid DESC LIMIT ? OFFSET ?`
  const counted = sql(db, 'SELECT count(*) AS total FROM transactions WHERE created_at >= ?').get(since)
  const { total } = counted as { total: number }
  return { transactions: sql(db, text).all(since, limit, offset) as TransactionRow[], total }
}
