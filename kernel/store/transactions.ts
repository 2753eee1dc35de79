import { newId, timestamp } from '#sdk/ids.ts'
import { sql, type WritableDb } from './database.ts'

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
