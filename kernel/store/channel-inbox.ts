import type { InboundMessage, InboundPress } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { newId, timestamp } from '#sdk/ids.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface InboxRow {
  seq: number
  id: string
  channel: PlatformName
  external_id: string
  chat_id: string
  thread_id: string | null
  sender_id: string
  /** The update as JSON; `{}` of one that nothing came of. */
  update_json: string
  /** `new`: to be handled; `working`: its turn is under way; `done`: what it asked for is in the outbox, or was nothing. */
  state: 'new' | 'working' | 'done'
  reason: string | null
  attempts: number
  not_before: string
  turn_id: string | null
  session_id: string | null
  draft_message_id: string | null
  created_at: string
  handled_at: string | null
}

/** Why nothing came of an update by somebody whom nobody vouches for. */
export const strangerReason = 'stranger'

/** False where the same update was kept before. One that is kept as done is there for its id alone. */
export function insertUpdate(
  db: WritableDb,
  channel: PlatformName,
  update: InboundMessage | InboundPress,
  doneBecause: string | null = null,
): boolean {
  const now = timestamp()
  const isDone = doneBecause !== null
  return (
    sql(
      db,
      `INSERT INTO channel_inbox (id, channel, external_id, chat_id, thread_id, sender_id, update_json, state, reason, not_before, created_at, handled_at)
       VALUES (@id, @channel, @external_id, @chat_id, @thread_id, @sender_id, @update_json, @state, @reason, @now, @now, @handled_at)
       ON CONFLICT (channel, external_id) DO NOTHING`,
    ).run({
      id: newId(),
      channel,
      external_id: update.external_id,
      chat_id: update.chat_id,
      thread_id: update.thread_id,
      sender_id: update.sender_id,
      update_json: isDone ? '{}' : JSON.stringify(update),
      state: isDone ? 'done' : 'new',
      reason: doneBecause,
      now,
      handled_at: isDone ? now : null,
    }).changes === 1
  )
}

/** The message of this sender with this id that is still to be handled. */
export function findWaitingMessage(
  db: ReadableDb,
  channel: PlatformName,
  { chat_id, sender_id, message_id }: Pick<InboundMessage, 'chat_id' | 'sender_id' | 'message_id'>,
): InboxRow | undefined {
  // Of all that somebody has ever sent, little waits.
  const text = `SELECT * FROM channel_inbox INDEXED BY channel_inbox_new
    WHERE state = 'new' AND channel = @channel AND chat_id = @chat_id AND sender_id = @sender_id AND update_json ->> '$.message_id' = @message_id LIMIT 1`
  return sql(db, text).get({ channel, chat_id, sender_id, message_id }) as InboxRow | undefined
}

export function replaceUpdate(db: WritableDb, id: string, update: InboundMessage): void {
  sql(db, `UPDATE channel_inbox SET update_json = ? WHERE id = ? AND state = 'new'`).run(JSON.stringify(update), id)
}

/** The first of each conversation that is to be handled, oldest first. */
export function listInboxHeads(db: ReadableDb, channel: PlatformName): InboxRow[] {
  const text = `SELECT * FROM channel_inbox WHERE seq IN (
      SELECT min(seq) FROM channel_inbox WHERE state = 'new' AND channel = ? GROUP BY channel, chat_id, thread_id)
    ORDER BY seq`
  return sql(db, text).all(channel) as InboxRow[]
}

export function countWaitingUpdates(db: ReadableDb, channel: PlatformName): number {
  const text = `SELECT count(*) AS n FROM channel_inbox WHERE state = 'new' AND channel = ?`
  return (sql(db, text).get(channel) as { n: number }).n
}

/** False where it is not as it was read: it was handled, or an edit has taken its place. */
export function markWorking(
  db: WritableDb,
  { id, update_json }: Pick<InboxRow, 'id' | 'update_json'>,
  turn: { turn_id: string; session_id: string },
): boolean {
  const text = `UPDATE channel_inbox SET state = 'working', turn_id = @turn_id, session_id = @session_id
    WHERE id = @id AND state = 'new' AND update_json = @update_json`
  return sql(db, text).run({ id, update_json, ...turn }).changes === 1
}

/** False where it was done before. What a stranger said is not kept. */
export function markDone(db: WritableDb, id: string, reason: string | null): boolean {
  const text = `UPDATE channel_inbox SET state = 'done', reason = @reason, handled_at = @now,
      update_json = iif(@reason = '${strangerReason}', '{}', update_json)
    WHERE id = @id AND state <> 'done'`
  return sql(db, text).run({ id, reason, now: timestamp() }).changes === 1
}

export function postponeUpdate(
  db: WritableDb,
  id: string,
  { not_before, attempts }: Pick<InboxRow, 'not_before' | 'attempts'>,
): void {
  const text = `UPDATE channel_inbox SET not_before = ?, attempts = ? WHERE id = ? AND state = 'new'`
  sql(db, text).run(not_before, attempts, id)
}

export function listWorkingUpdates(db: ReadableDb): InboxRow[] {
  return sql(db, `SELECT * FROM channel_inbox WHERE state = 'working' ORDER BY channel, seq`).all() as InboxRow[]
}

export function findUpdate(db: ReadableDb, id: string): InboxRow | undefined {
  return sql(db, 'SELECT * FROM channel_inbox WHERE id = ?').get(id) as InboxRow | undefined
}

export function findUpdateOfTurn(db: ReadableDb, turnId: string): InboxRow | undefined {
  return sql(db, 'SELECT * FROM channel_inbox WHERE turn_id = ?').get(turnId) as InboxRow | undefined
}

export function setDraft(db: WritableDb, id: string, messageId: string): void {
  sql(db, 'UPDATE channel_inbox SET draft_message_id = ? WHERE id = ?').run(messageId, id)
}

/** Where this person has last written to Keel alone. */
export function findDirectChat(
  db: ReadableDb,
  channel: PlatformName,
  senderId: string,
): Pick<InboxRow, 'chat_id' | 'thread_id'> | undefined {
  const text = `SELECT chat_id, thread_id FROM channel_inbox WHERE channel = ? AND sender_id = ?
    AND update_json ->> '$.chat_kind' = 'direct' ORDER BY seq DESC LIMIT 1`
  return sql(db, text).get(channel, senderId) as Pick<InboxRow, 'chat_id' | 'thread_id'> | undefined
}

/** Whether somebody who was vouched for has been answered there. */
export function hasSpokenIn(db: ReadableDb, channel: PlatformName, chatId: string): boolean {
  const text = `SELECT 1 FROM channel_inbox WHERE channel = ? AND chat_id = ?
    AND (turn_id IS NOT NULL OR (state = 'done' AND reason IS NULL)) LIMIT 1`
  return sql(db, text).get(channel, chatId) !== undefined
}

/** Removes up to `limit` that were done before then; returns how many. */
export function pruneUpdates(db: WritableDb, before: string, limit: number): number {
  const text = `DELETE FROM channel_inbox WHERE seq IN (
    SELECT seq FROM channel_inbox WHERE state = 'done' AND handled_at < ? ORDER BY handled_at LIMIT ?)`
  return sql(db, text).run(before, limit).changes
}

/** The same for strangers', which are passed over however often they come. */
export function pruneStrangers(db: WritableDb, before: string, limit: number): number {
  const text = `DELETE FROM channel_inbox WHERE seq IN (
    SELECT seq FROM channel_inbox WHERE reason = '${strangerReason}' AND handled_at < ? ORDER BY handled_at LIMIT ?)`
  return sql(db, text).run(before, limit).changes
}
