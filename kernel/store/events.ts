import { type ReadableDb, sql, type WritableDb } from './database.ts'

/** One event as it was sent: `text` is its JSON. */
export interface StoredEvent {
  seq: number
  type: string
  text: string
}

export interface EventSequence {
  /** Made with the database; another epoch means other numbers. */
  epoch: string
  /** The highest sequence number that may have been handed out. */
  reserved: number
}

export function loadEventSequence(db: ReadableDb): EventSequence {
  return sql(db, 'SELECT epoch, reserved FROM event_sequence WHERE id = 1').get() as EventSequence
}

export function reserveEventSequence(db: WritableDb, reserved: number): void {
  sql(db, 'UPDATE event_sequence SET reserved = ? WHERE id = 1').run(reserved)
}

/** Stores the events and drops all but the newest `keep` numbers, in one transaction. */
export function appendEvents(db: WritableDb, events: readonly StoredEvent[], keep: number): void {
  const newest = events.at(-1)
  if (!newest) return
  db.transaction(() => {
    const insert = sql(db, 'INSERT OR IGNORE INTO events (seq, type, event_json) VALUES (?, ?, ?)')
    for (const { seq, type, text } of events) insert.run(seq, type, text)
    sql(db, 'DELETE FROM events WHERE seq <= ?').run(newest.seq - keep)
  })()
}

/** Events after `seq`, oldest first. */
export function listEventsAfter(db: ReadableDb, seq: number, limit: number): StoredEvent[] {
  return sql(db, 'SELECT seq, type, event_json AS text FROM events WHERE seq > ? ORDER BY seq LIMIT ?').all(
    seq,
    limit,
  ) as StoredEvent[]
}

/** The newest stored sequence number; 0 when there is none. */
export function newestEventSeq(db: ReadableDb): number {
  const row = sql(db, 'SELECT max(seq) AS seq FROM events').get() as { seq: number | null }
  return row.seq ?? 0
}
