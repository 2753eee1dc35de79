import { RuntimeError } from '#sdk/errors.ts'
import { newId, timestamp } from '#sdk/ids.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface SessionRow {
  id: string
  agent_id: string
  scope_key: string
  status: 'active' | 'archived' | 'expired'
  model: string | null
  nickname: string | null
  created_at: string
  updated_at: string
  metadata: string | null
  turn_count: number
  message_count: number
}

export type NicknameSource = 'heuristic' | 'model' | 'user'

const columns = `s.id, s.agent_id, s.scope_key, s.status, s.model, s.nickname, s.created_at, s.updated_at, s.metadata,
  (SELECT count(*) FROM turns t WHERE t.session_id = s.id) AS turn_count,
  (SELECT count(*) FROM session_messages m WHERE m.session_id = s.id) AS message_count`

export interface SessionFilter {
  agent_id?: string | undefined
  status?: string | undefined
  /** Part of the nickname, without case. */
  q?: string | undefined
  /** Only sessions that have turns. */
  has_turns?: boolean | undefined
}

function where({ agent_id, status, q, has_turns }: SessionFilter): { clause: string; values: Record<string, string> } {
  const values: Record<string, string> = {}
  const terms: string[] = []
  if (agent_id !== undefined) {
    terms.push('s.agent_id = @agent_id')
    values.agent_id = agent_id
  }
  if (status !== undefined) {
    terms.push('s.status = @status')
    values.status = status
  }
  if (q !== undefined) {
    terms.push('instr(lower(s.nickname), lower(@q)) > 0')
    values.q = q
  }
  if (has_turns) terms.push('EXISTS (SELECT 1 FROM turns t WHERE t.session_id = s.id)')
  return { clause: terms.length > 0 ? `WHERE ${terms.join(' AND ')}` : '', values }
}

export function listSessions(
  db: ReadableDb,
  {
    filter,
    order,
    limit,
    offset,
  }: { filter: SessionFilter; order: 'created' | 'updated'; limit: number; offset: number },
): SessionRow[] {
  const { clause, values } = where(filter)
  const by = order === 'updated' ? 's.updated_at' : 's.created_at'
  const text = `SELECT ${columns} FROM sessions s ${clause} ORDER BY ${by} DESC, s.rowid DESC LIMIT @limit OFFSET @offset`
  return sql(db, text).all({ ...values, limit, offset }) as SessionRow[]
}

export function countSessions(db: ReadableDb, filter: SessionFilter): number {
  const { clause, values } = where(filter)
  return (sql(db, `SELECT count(*) AS n FROM sessions s ${clause}`).get(values) as { n: number }).n
}

export function findSession(db: ReadableDb, id: string): SessionRow | undefined {
  return sql(db, `SELECT ${columns} FROM sessions s WHERE s.id = ?`).get(id) as SessionRow | undefined
}

export function loadSession(db: ReadableDb, id: string): SessionRow {
  const session = findSession(db, id)
  if (!session) throw new RuntimeError('not_found', `session ${id} not found`)
  return session
}

export function findActiveSession(db: ReadableDb, agentId: string, scopeKey: string): SessionRow | undefined {
  const text = `SELECT ${columns} FROM sessions s WHERE s.agent_id = ? AND s.scope_key = ? AND s.status = 'active'`
  return sql(db, text).get(agentId, scopeKey) as SessionRow | undefined
}

export interface NewSession {
  agent_id: string
  scope_key: string
  nickname?: string | undefined
  metadata?: string | undefined
}

export function insertSession(db: WritableDb, session: NewSession): SessionRow {
  const id = newId()
  const now = timestamp()
  sql(
    db,
    `INSERT INTO sessions (id, agent_id, scope_key, nickname, nickname_source, metadata, created_at, updated_at)
     VALUES (@id, @agent_id, @scope_key, @nickname, @nickname_source, @metadata, @now, @now)`,
  ).run({
    id,
    agent_id: session.agent_id,
    scope_key: session.scope_key,
    nickname: session.nickname ?? null,
    nickname_source: session.nickname === undefined ? null : 'user',
    metadata: session.metadata ?? null,
    now,
  })
  return loadSession(db, id)
}

/** The session that was active in this agent and scope, now archived, if there was one. */
export function archiveActiveSession(db: WritableDb, agentId: string, scopeKey: string): SessionRow | undefined {
  const active = findActiveSession(db, agentId, scopeKey)
  return active && archiveSession(db, active.id)
}

export function archiveSession(db: WritableDb, id: string): SessionRow {
  const now = timestamp()
  sql(
    db,
    `UPDATE sessions SET status = 'archived', closed_at = ?, updated_at = ? WHERE id = ? AND status = 'active'`,
  ).run(now, now, id)
  return loadSession(db, id)
}

/** Closes up to `limit` sessions that nobody has used since `before` and in which nothing is under way. */
export function expireSessions(db: WritableDb, before: string, limit: number): SessionRow[] {
  const rows = sql(
    db,
    `UPDATE sessions SET status = 'expired', closed_at = @now WHERE id IN (
       SELECT s.id FROM sessions s WHERE s.status = 'active' AND s.updated_at < @before
         AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.session_id = s.id AND t.status = 'running') LIMIT @limit)
     RETURNING id`,
  ).all({ before, limit, now: timestamp() }) as { id: string }[]
  return rows.map(({ id }) => loadSession(db, id))
}

/** Makes an archived or expired session the active one of its scope, unless another is. */
export function reactivateSession(db: WritableDb, session: SessionRow): void {
  if (session.status === 'active' || findActiveSession(db, session.agent_id, session.scope_key)) return
  sql(db, `UPDATE sessions SET status = 'active', closed_at = NULL WHERE id = ?`).run(session.id)
}

/**
 * Removes the session with its messages, turns, steps, tool calls and feedback; cost rows stay. What was remembered of it
 * stays too and goes on naming it; what waits to be remembered goes with its turns.
 */
export function deleteSession(db: WritableDb, id: string): void {
  sql(db, 'DELETE FROM sessions WHERE id = ?').run(id)
}

export function setSessionModel(db: WritableDb, id: string, model: string): void {
  sql(db, 'UPDATE sessions SET model = ? WHERE id = ?').run(model, id)
}

/** Sets the nickname unless its user gave one. */
export function setNickname(db: WritableDb, id: string, nickname: string, source: NicknameSource): void {
  const text = `UPDATE sessions SET nickname = ?, nickname_source = ? WHERE id = ? AND nickname_source IS NOT 'user'`
  sql(db, text).run(nickname, source, id)
}

export function nicknameSource(db: ReadableDb, id: string): NicknameSource | null {
  const row = sql(db, 'SELECT nickname_source FROM sessions WHERE id = ?').get(id) as
    | { nickname_source: NicknameSource | null }
    | undefined
  return row?.nickname_source ?? null
}

export function listNamelessSessions(db: ReadableDb, limit: number): string[] {
  const rows = sql(db, 'SELECT id FROM sessions WHERE nickname IS NULL ORDER BY created_at LIMIT ?').all(limit) as {
    id: string
  }[]
  return rows.map(({ id }) => id)
}

export function countNamelessSessions(db: ReadableDb): number {
  return (sql(db, 'SELECT count(*) AS n FROM sessions WHERE nickname IS NULL').get() as { n: number }).n
}

export function countActiveSessions(db: ReadableDb): number {
  return (sql(db, `SELECT count(*) AS n FROM sessions WHERE status = 'active'`).get() as { n: number }).n
}
