import type { ChatAddress, MessageButton, OutboundAttachment } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { newId, timestamp } from '#sdk/ids.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export type DeliveryStatus = 'pending' | 'in_flight' | 'delivered' | 'dead_letter' | 'discarded'

export interface DeliveryRow {
  seq: number
  id: string
  channel: PlatformName
  chat_id: string
  thread_id: string | null
  /** Names what it is for: the same is sent once. */
  idempotency_key: string
  content: string
  subject: string | null
  reply_to: string | null
  replaces: string | null
  attachments_json: string
  buttons_json: string
  status: DeliveryStatus
  attempts: number
  max_attempts: number
  next_retry_at: string
  parts_sent: number
  /** The platform's ids of the parts, JSON. */
  message_ids_json: string
  last_error: string | null
  error_code: string | null
  session_id: string | null
  turn_id: string | null
  created_at: string
  delivered_at: string | null
}

export interface NewDelivery extends ChatAddress {
  /** A fresh one unless told. */
  id?: string
  channel: PlatformName
  key: string
  text: string
  subject?: string | null
  reply_to?: string | null
  replaces?: string | null
  attachments?: readonly OutboundAttachment[]
  buttons?: readonly MessageButton[]
  session_id?: string | null
  turn_id?: string | null
}

/** What waits or is under way, as the index has it. */
const open = `status IN ('pending', 'in_flight')`

/** The row, whether it is new, or was put there before under the same key. */
export function insertDelivery(db: WritableDb, wanted: NewDelivery): { row: DeliveryRow; isNew: boolean } {
  const row = sql(
    db,
    `INSERT INTO channel_outbox (id, channel, chat_id, thread_id, idempotency_key, content, subject, reply_to, replaces,
       attachments_json, buttons_json, next_retry_at, session_id, turn_id, created_at)
     VALUES (@id, @channel, @chat_id, @thread_id, @key, @text, @subject, @reply_to, @replaces,
       @attachments_json, @buttons_json, @now, @session_id, @turn_id, @now)
     ON CONFLICT (idempotency_key) DO NOTHING RETURNING *`,
  ).get({
    id: wanted.id ?? newId(),
    channel: wanted.channel,
    chat_id: wanted.chat_id,
    thread_id: wanted.thread_id,
    key: wanted.key,
    text: wanted.text,
    subject: wanted.subject ?? null,
    reply_to: wanted.reply_to ?? null,
    replaces: wanted.replaces ?? null,
    attachments_json: JSON.stringify(wanted.attachments ?? []),
    buttons_json: JSON.stringify(wanted.buttons ?? []),
    session_id: wanted.session_id ?? null,
    turn_id: wanted.turn_id ?? null,
    now: timestamp(),
  }) as DeliveryRow | undefined
  if (row) return { row, isNew: true }
  const known = findDeliveryByKey(db, wanted.key)
  if (!known) throw new Error('a delivery that was not inserted is there under its key')
  return { row: known, isNew: false }
}

export function findDelivery(db: ReadableDb, id: string): DeliveryRow | undefined {
  return sql(db, 'SELECT * FROM channel_outbox WHERE id = ?').get(id) as DeliveryRow | undefined
}

export function findDeliveryByKey(db: ReadableDb, key: string): DeliveryRow | undefined {
  return sql(db, 'SELECT * FROM channel_outbox WHERE idempotency_key = ?').get(key) as DeliveryRow | undefined
}

export function loadDelivery(db: ReadableDb, id: string): DeliveryRow {
  const row = findDelivery(db, id)
  if (!row) throw new RuntimeError('not_found', `delivery ${id} not found`)
  return row
}

/** The first of each conversation that is to be sent, oldest first. */
export function listDeliveryHeads(db: ReadableDb, channel: PlatformName): DeliveryRow[] {
  const text = `SELECT * FROM channel_outbox WHERE seq IN (
      SELECT min(seq) FROM channel_outbox WHERE ${open} AND channel = ? GROUP BY channel, chat_id, thread_id)
    ORDER BY seq`
  return sql(db, text).all(channel) as DeliveryRow[]
}

export function countOpenDeliveries(db: ReadableDb, channel: PlatformName): number {
  const text = `SELECT count(*) AS n FROM channel_outbox WHERE ${open} AND channel = ?`
  return (sql(db, text).get(channel) as { n: number }).n
}

export interface OutboxCounts {
  open: number
  dead: number
}

/** Of each channel that has any. */
export function countDeliveries(db: ReadableDb): Map<string, OutboxCounts> {
  const counts = new Map<string, OutboxCounts>()
  const of = (where: string) =>
    sql(db, `SELECT channel, count(*) AS n FROM channel_outbox WHERE ${where} GROUP BY channel`).all() as {
      channel: string
      n: number
    }[]
  const at = (channel: string) => {
    const known = counts.get(channel) ?? { open: 0, dead: 0 }
    counts.set(channel, known)
    return known
  }
  for (const { channel, n } of of(open)) at(channel).open = n
  for (const { channel, n } of of(`status = 'dead_letter'`)) at(channel).dead = n
  return counts
}

/** False where it does not wait any more. */
export function beginDelivery(db: WritableDb, id: string): boolean {
  const text = `UPDATE channel_outbox SET status = 'in_flight' WHERE id = ? AND status = 'pending'`
  return sql(db, text).run(id).changes === 1
}

/** What was under way when an earlier kernel ended goes on where it was. */
export function resetInFlight(db: WritableDb): number {
  return sql(db, `UPDATE channel_outbox SET status = 'pending' WHERE status = 'in_flight'`).run().changes
}

export function recordPart(db: WritableDb, id: string, partsSent: number, messageId: string | null): void {
  sql(
    db,
    `UPDATE channel_outbox SET parts_sent = max(parts_sent, @partsSent),
       message_ids_json = iif(@messageId IS NULL, message_ids_json, json_insert(message_ids_json, '$[#]', @messageId))
     WHERE id = @id`,
  ).run({ id, partsSent, messageId })
}

export function completeDelivery(db: WritableDb, id: string): void {
  sql(
    db,
    `UPDATE channel_outbox SET status = 'delivered', attempts = attempts + 1, delivered_at = ?, last_error = NULL, error_code = NULL
     WHERE id = ? AND status = 'in_flight'`,
  ).run(timestamp(), id)
}

export interface DeliveryFailure {
  attempts: number
  error: string
  code: string | null
}

/** Waits again. */
export function retryDelivery(
  db: WritableDb,
  id: string,
  { attempts, error, code, next_retry_at }: DeliveryFailure & { next_retry_at: string },
): void {
  sql(
    db,
    `UPDATE channel_outbox SET status = 'pending', attempts = @attempts, last_error = @error, error_code = @code,
       next_retry_at = @next_retry_at
     WHERE id = @id AND status = 'in_flight'`,
  ).run({ id, attempts, error, code, next_retry_at })
}

/** Will not be tried again by itself. */
export function killDelivery(db: WritableDb, id: string, { attempts, error, code }: DeliveryFailure): void {
  sql(
    db,
    `UPDATE channel_outbox SET status = 'dead_letter', attempts = @attempts, last_error = @error, error_code = @code
     WHERE id = @id AND status IN ('in_flight', 'delivered')`,
  ).run({ id, attempts, error, code })
}

/** The delivery of which this message was a part. */
export function findDeliveryOfMessage(
  db: ReadableDb,
  channel: PlatformName,
  messageId: string,
): DeliveryRow | undefined {
  const text = `SELECT o.* FROM channel_outbox o, json_each(o.message_ids_json) m
    WHERE o.status IN ('delivered', 'discarded') AND o.channel = ? AND m.value = ? LIMIT 1`
  return sql(db, text).get(channel, messageId) as DeliveryRow | undefined
}

/** None of it counts as sent any more. */
export function forgetParts(db: WritableDb, id: string): void {
  sql(db, `UPDATE channel_outbox SET parts_sent = 0, message_ids_json = '[]' WHERE id = ?`).run(id)
}

/** Newest first. */
export function listDeadLetters(db: ReadableDb, limit: number): DeliveryRow[] {
  const text = `SELECT * FROM channel_outbox WHERE status = 'dead_letter' ORDER BY seq DESC LIMIT ?`
  return sql(db, text).all(limit) as DeliveryRow[]
}

/** False where there is no such dead letter. */
export function replayDeadLetter(db: WritableDb, id: string): boolean {
  const text = `UPDATE channel_outbox SET status = 'pending', attempts = 0, next_retry_at = ? WHERE id = ? AND status = 'dead_letter'`
  return sql(db, text).run(timestamp(), id).changes === 1
}

/** False where there is no such dead letter. */
export function discardDeadLetter(db: WritableDb, id: string): boolean {
  const text = `UPDATE channel_outbox SET status = 'discarded', delivered_at = ? WHERE id = ? AND status = 'dead_letter'`
  return sql(db, text).run(timestamp(), id).changes === 1
}

/** Newest first. */
export function listDeliveries(
  db: ReadableDb,
  { channel, status, limit }: { channel: PlatformName | null; status: DeliveryStatus | null; limit: number },
): DeliveryRow[] {
  const text = `SELECT * FROM channel_outbox WHERE (@channel IS NULL OR channel = @channel)
    AND (@status IS NULL OR status = @status) ORDER BY seq DESC LIMIT @limit`
  return sql(db, text).all({ channel, status, limit }) as DeliveryRow[]
}

/** Removes up to `limit` that were sent or discarded before then; returns their ids. */
export function pruneDeliveries(db: WritableDb, before: string, limit: number): string[] {
  const text = `DELETE FROM channel_outbox WHERE seq IN (
      SELECT seq FROM channel_outbox WHERE status IN ('delivered', 'discarded') AND delivered_at < ?
      ORDER BY delivered_at LIMIT ?)
    RETURNING id`
  return (sql(db, text).all(before, limit) as { id: string }[]).map(({ id }) => id)
}

/** Removes up to `limit` dead letters from before then; returns their ids. */
export function pruneDeadLetters(db: WritableDb, before: string, limit: number): string[] {
  const text = `DELETE FROM channel_outbox WHERE seq IN (
      SELECT seq FROM channel_outbox WHERE status = 'dead_letter' AND created_at < ? ORDER BY seq LIMIT ?)
    RETURNING id`
  return (sql(db, text).all(before, limit) as { id: string }[]).map(({ id }) => id)
}
