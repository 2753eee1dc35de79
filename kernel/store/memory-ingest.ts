import { timestamp } from '#sdk/ids.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface IngestRow {
  turn_id: string
  attempts: number
  not_before: string
  last_error: string | null
  created_at: string
}

/** Part of the transaction that ends the turn, so that no finished turn goes unremembered. */
export function queueIngest(db: WritableDb, turnId: string): void {
  const now = timestamp()
  sql(db, 'INSERT OR IGNORE INTO memory_ingest (turn_id, not_before, created_at) VALUES (?, ?, ?)').run(
    turnId,
    now,
    now,
  )
}

/** The oldest that is due. */
export function nextIngest(db: ReadableDb, now = timestamp()): IngestRow | undefined {
  return sql(db, 'SELECT * FROM memory_ingest WHERE not_before <= ? ORDER BY created_at, rowid LIMIT 1').get(now) as
    | IngestRow
    | undefined
}

/** When the next one is due; null with none. */
export function nextIngestAt(db: ReadableDb): string | null {
  return (sql(db, 'SELECT min(not_before) AS at FROM memory_ingest').get() as { at: string | null }).at
}

export function countIngest(db: ReadableDb): number {
  return (sql(db, 'SELECT count(*) AS count FROM memory_ingest').get() as { count: number }).count
}

/** False where it was taken from the queue before: what was made of it is kept already. */
export function takeIngest(db: WritableDb, turnId: string): boolean {
  return sql(db, 'DELETE FROM memory_ingest WHERE turn_id = ?').run(turnId).changes > 0
}

export function postponeIngest(db: WritableDb, turnId: string, notBefore: string, error: string): void {
  sql(db, 'UPDATE memory_ingest SET attempts = attempts + 1, not_before = ?, last_error = ? WHERE turn_id = ?').run(
    notBefore,
    error,
    turnId,
  )
}
