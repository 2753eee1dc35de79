import { RuntimeError } from '#sdk/errors.ts'
import { newId, timestamp } from '#sdk/ids.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface MessageRow {
  id: string
  session_id: string
  parent_id: string | null
  role: 'user' | 'assistant' | 'system' | 'tool'
  content: string
  usage_json: string | null
  turn_id: string | null
  created_at: string
}

const columns = 'id, session_id, parent_id, role, content, usage_json, turn_id, created_at'

export interface NewMessage {
  session_id: string
  role: MessageRow['role']
  content: string
  turn_id: string | null
  usage_json?: string | null
}

/** Appends to the conversation and marks the session as used. The last message before it becomes its parent. */
export function appendMessage(db: WritableDb, message: NewMessage): MessageRow {
  const last = sql(db, 'SELECT id FROM session_messages WHERE session_id = ? ORDER BY rowid DESC LIMIT 1').get(
    message.session_id,
  ) as { id: string } | undefined
  const row: MessageRow = {
    id: newId(),
    parent_id: last?.id ?? null,
    created_at: timestamp(),
    usage_json: null,
    ...message,
  }
  sql(
    db,
    `INSERT INTO session_messages (${columns})
     VALUES (@id, @session_id, @parent_id, @role, @content, @usage_json, @turn_id, @created_at)`,
  ).run(row)
  sql(db, 'UPDATE sessions SET updated_at = ? WHERE id = ?').run(row.created_at, row.session_id)
  return row
}

/** The newest `limit` messages after skipping `offset` from the newest end, oldest first. */
export function newestMessages(
  db: ReadableDb,
  sessionId: string,
  { limit, offset, before }: { limit: number; offset: number; before?: string | undefined },
): MessageRow[] {
  const bound = before === undefined ? '' : 'AND rowid < (SELECT rowid FROM session_messages WHERE id = @before)'
  const text = `SELECT ${columns} FROM session_messages WHERE session_id = @sessionId ${bound} ORDER BY rowid DESC LIMIT @limit OFFSET @offset`
  const values = before === undefined ? { sessionId, limit, offset } : { sessionId, limit, offset, before }
  return (sql(db, text).all(values) as MessageRow[]).reverse()
}

/**
 * What had been said when the turn of this user message began, newest first. The answers of turns before it count even
 * when they were stored after it; questions that came later do not.
 */
export function earlierMessages(db: ReadableDb, input: MessageRow, limit: number): MessageRow[] {
  const text = `SELECT ${columns} FROM session_messages
    WHERE session_id = @session_id AND turn_id IS NOT @turn_id
      AND (role <> 'user' OR rowid < (SELECT rowid FROM session_messages WHERE id = @id))
    ORDER BY rowid DESC LIMIT @limit`
  return sql(db, text).all({
    session_id: input.session_id,
    turn_id: input.turn_id,
    id: input.id,
    limit,
  }) as MessageRow[]
}

export function countMessages(db: ReadableDb, sessionId: string): number {
  return (sql(db, 'SELECT count(*) AS n FROM session_messages WHERE session_id = ?').get(sessionId) as { n: number }).n
}

export function firstMessages(db: ReadableDb, sessionId: string, limit: number): MessageRow[] {
  return sql(db, `SELECT ${columns} FROM session_messages WHERE session_id = ? ORDER BY rowid LIMIT ?`).all(
    sessionId,
    limit,
  ) as MessageRow[]
}

export function findMessage(db: ReadableDb, id: string): MessageRow | undefined {
  return sql(db, `SELECT ${columns} FROM session_messages WHERE id = ?`).get(id) as MessageRow | undefined
}

export interface MessageBeginning {
  id: string
  role: MessageRow['role']
  beginning: string
}

/** The first `length` characters of these messages, in no order; those that are gone are left out. */
export function messageBeginnings(db: ReadableDb, ids: readonly string[], length: number): MessageBeginning[] {
  const text = `SELECT id, role, substr(content, 1, @length) AS beginning FROM session_messages
    WHERE id IN (SELECT value FROM json_each(@ids))`
  return sql(db, text).all({ ids: JSON.stringify(ids), length }) as MessageBeginning[]
}

export function loadMessage(db: ReadableDb, id: string): MessageRow {
  const message = findMessage(db, id)
  if (!message) throw new RuntimeError('not_found', `message ${id} not found`)
  return message
}
