import { RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export type TurnStatus = 'running' | 'ok' | 'error' | 'blocked' | 'limit' | 'interrupted' | 'appended'

export interface TurnRow {
  id: string
  session_id: string
  user_message_id: string | null
  assistant_message_id: string | null
  status: TurnStatus
  attempt: number
  thinking: string | null
  tokens_in: number | null
  tokens_out: number | null
  cost: number | null
  model: string | null
  latency_ms: number | null
  cached: boolean
  react_turns: number
  error: string | null
  /** 32 hexadecimal digits; null of turns of earlier builds, and of those that no model was asked in. */
  trace_id: string | null
  created_at: string
}

const columns =
  'id, session_id, user_message_id, assistant_message_id, status, attempt, thinking, tokens_in, tokens_out, cost, model, latency_ms, cached, react_turns, error, trace_id, created_at'

type StoredTurn = Omit<TurnRow, 'cached'> & { cached: number }

function toTurn(row: StoredTurn): TurnRow {
  return { ...row, cached: row.cached === 1 }
}

/** `request_json` is whatever the runner needs to take the turn up again. */
export function insertTurn(
  db: WritableDb,
  turn: { id: string; session_id: string; user_message_id: string; request_json: string; trace_id?: string },
): void {
  sql(
    db,
    `INSERT INTO turns (id, session_id, user_message_id, status, request_json, trace_id, created_at)
     VALUES (@id, @session_id, @user_message_id, 'running', @request_json, @trace_id, @now)`,
  ).run({ trace_id: null, ...turn, now: timestamp() })
}

/** A turn that no model was asked in: an answer appended by hand or given by a command. */
export function insertFinishedTurn(
  db: WritableDb,
  turn: {
    id: string
    session_id: string
    user_message_id: string | null
    assistant_message_id: string
    status: 'ok' | 'appended'
    model: string | null
  },
): void {
  sql(
    db,
    `INSERT INTO turns (id, session_id, user_message_id, assistant_message_id, status, request_json, tokens_in, tokens_out, cost, model, latency_ms, created_at)
     VALUES (@id, @session_id, @user_message_id, @assistant_message_id, @status, '{}', 0, 0, 0, @model, 0, @now)`,
  ).run({ ...turn, now: timestamp() })
}

export function findTurn(db: ReadableDb, id: string): TurnRow | undefined {
  const row = sql(db, `SELECT ${columns} FROM turns WHERE id = ?`).get(id) as StoredTurn | undefined
  return row && toTurn(row)
}

export function loadTurn(db: ReadableDb, id: string): TurnRow {
  const turn = findTurn(db, id)
  if (!turn) throw new RuntimeError('not_found', `turn ${id} not found`)
  return turn
}

export function turnRequest(db: ReadableDb, id: string): string {
  return (sql(db, 'SELECT request_json FROM turns WHERE id = ?').get(id) as { request_json: string }).request_json
}

/** By which way in its message came; undefined of a turn that no model was asked in. */
export function channelOfTurn(db: ReadableDb, id: string): string | undefined {
  const text = `SELECT request_json ->> '$.channel' AS channel FROM turns WHERE id = ?`
  return (sql(db, text).get(id) as { channel: string | null } | undefined)?.channel ?? undefined
}

/** Where it stands in its trace, as its request has it; undefined of a turn that has no such place. */
export function traceOfTurn(db: ReadableDb, id: string): unknown {
  const text = `SELECT request_json -> '$.trace' AS trace FROM turns WHERE id = ?`
  const { trace } = (sql(db, text).get(id) as { trace: string | null } | undefined) ?? { trace: null }
  return trace === null ? undefined : JSON.parse(trace)
}

/** The newest `limit` turns that have an answer, after skipping `offset`, in the order of their answers. */
export function listTurns(
  db: ReadableDb,
  sessionId: string,
  { limit, offset }: { limit: number; offset: number },
): TurnRow[] {
  // What is appended while a turn runs is answered before it, though its turn began later.
  const text = `SELECT ${columns} FROM turns WHERE session_id = ? AND assistant_message_id IS NOT NULL
    ORDER BY (SELECT rowid FROM session_messages WHERE id = assistant_message_id) DESC LIMIT ? OFFSET ?`
  return (sql(db, text).all(sessionId, limit, offset) as StoredTurn[]).map(toTurn).reverse()
}

export function countTurns(db: ReadableDb, sessionId: string): number {
  const text = 'SELECT count(*) AS n FROM turns WHERE session_id = ? AND assistant_message_id IS NOT NULL'
  return (sql(db, text).get(sessionId) as { n: number }).n
}

export interface RunningTurnRow {
  id: string
  session_id: string
  /** Of its message, as the request has it. */
  message_key: string | null
}

export function listRunningTurns(db: ReadableDb): RunningTurnRow[] {
  const text = `SELECT id, session_id, iif(json_valid(request_json), request_json ->> '$.message_key', NULL) AS message_key
    FROM turns WHERE status = 'running' ORDER BY rowid`
  return sql(db, text).all() as RunningTurnRow[]
}

/** Counts a new attempt and returns its number; steps of older attempts are refused from here on. */
export function beginAttempt(db: WritableDb, id: string): number {
  const row = sql(
    db,
    `UPDATE turns SET attempt = attempt + 1 WHERE id = ? AND status = 'running' RETURNING attempt`,
  ).get(id) as { attempt: number } | undefined
  if (!row) throw new RuntimeError('conflict', `turn ${id} is over`)
  return row.attempt
}

/** Throws `conflict` unless this attempt is the one that may write. */
export function requireCurrentAttempt(db: ReadableDb, id: string, attempt: number): void {
  const row = sql(db, `SELECT attempt FROM turns WHERE id = ? AND status = 'running'`).get(id) as
    | { attempt: number }
    | undefined
  if (row?.attempt !== attempt)
    throw new RuntimeError('conflict', `attempt ${attempt} of turn ${id} has been taken over`)
}

export interface FinishedTurn {
  id: string
  status: Exclude<TurnStatus, 'running' | 'appended'>
  assistant_message_id: string
  thinking: string | null
  tokens_in: number
  tokens_out: number
  cost: number
  model: string | null
  latency_ms: number
  cached: boolean
  react_turns: number
  error: string | null
}

export function finishTurn(db: WritableDb, turn: FinishedTurn): void {
  sql(
    db,
    `UPDATE turns SET status = @status, assistant_message_id = @assistant_message_id, thinking = @thinking, tokens_in = @tokens_in,
       tokens_out = @tokens_out, cost = @cost, model = @model, latency_ms = @latency_ms, cached = @cached,
       react_turns = @react_turns, error = @error
     WHERE id = @id AND status = 'running'`,
  ).run({ ...turn, cached: Number(turn.cached) })
}

export function lastTurnAt(db: ReadableDb): string | null {
  const row = sql(db, 'SELECT created_at FROM turns ORDER BY rowid DESC LIMIT 1').get() as
    | { created_at: string }
    | undefined
  return row?.created_at ?? null
}
