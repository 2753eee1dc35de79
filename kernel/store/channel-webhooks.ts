import { timestamp } from '#sdk/ids.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

/** A webhook whose secret was right, and whose body is still to be read. */
export interface WebhookRow {
  seq: number
  channel: string
  body: string
  attempts: number
  not_before: string
  last_error: string | null
  created_at: string
}

export function insertWebhook(db: WritableDb, channel: string, body: string): void {
  const text =
    'INSERT INTO channel_webhooks (channel, body, not_before, created_at) VALUES (@channel, @body, @now, @now)'
  sql(db, text).run({ channel, body, now: timestamp() })
}

/** The oldest one of the channel. */
export function firstWebhook(db: ReadableDb, channel: string): WebhookRow | undefined {
  return sql(db, 'SELECT * FROM channel_webhooks WHERE channel = ? ORDER BY seq LIMIT 1').get(channel) as
    | WebhookRow
    | undefined
}

export function countWebhooks(db: ReadableDb, channel: string): number {
  return (sql(db, 'SELECT count(*) AS n FROM channel_webhooks WHERE channel = ?').get(channel) as { n: number }).n
}

/** False where it was taken before. */
export function takeWebhook(db: WritableDb, seq: number): boolean {
  return sql(db, 'DELETE FROM channel_webhooks WHERE seq = ?').run(seq).changes > 0
}

/** Counts a failed try to read it. */
export function postponeWebhook(db: WritableDb, seq: number, notBefore: string, error: string): void {
  sql(db, 'UPDATE channel_webhooks SET attempts = attempts + 1, not_before = ?, last_error = ? WHERE seq = ?').run(
    notBefore,
    error,
    seq,
  )
}

/** How far a platform's updates have been taken, in the adapter's own words. */
export function findCursor(db: ReadableDb, channel: string): string | null {
  const row = sql(db, 'SELECT cursor FROM channel_cursors WHERE channel = ?').get(channel)
  return (row as { cursor: string | null } | undefined)?.cursor ?? null
}

export function setCursor(db: WritableDb, channel: string, cursor: string): void {
  sql(
    db,
    `INSERT INTO channel_cursors (channel, cursor, updated_at) VALUES (@channel, @cursor, @now)
     ON CONFLICT (channel) DO UPDATE SET cursor = excluded.cursor, updated_at = excluded.updated_at`,
  ).run({ channel, cursor, now: timestamp() })
}
