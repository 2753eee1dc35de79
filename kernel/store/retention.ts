import { incremental, type ReadableDb, sql, type WritableDb } from './database.ts'
import { loadSession, type SessionRow } from './sessions.ts'

/** Tables whose rows are in the order of their times, so that the oldest are found without an index. */
type AgingTable =
  | 'model_selection_events'
  | 'policy_decisions'
  | 'inference_costs'
  | 'metric_snapshots'
  | 'approval_requests'

/** What may go, where not everything may however old it is. */
const over: Partial<Record<AgingTable, string>> = { approval_requests: `status <> 'pending'` }

/** Removes those of the oldest `limit` rows that are from before then; returns how many. */
export function forgetOldest(db: WritableDb, table: AgingTable, before: string, limit: number): number {
  const text = `DELETE FROM ${table} WHERE rowid IN (
    SELECT at FROM (SELECT rowid AS at, created_at FROM ${table} WHERE ${over[table] ?? 'true'} ORDER BY rowid LIMIT @limit)
    WHERE created_at < @before)`
  return sql(db, text).run({ before, limit }).changes
}

/** Removes up to `limit` of what models had said before then; returns how many. */
export function forgetAnalyses(db: WritableDb, before: string, limit: number): number {
  const text = `DELETE FROM analyses WHERE (kind, subject_id) IN (
    SELECT kind, subject_id FROM analyses WHERE created_at < @before ORDER BY created_at LIMIT @limit)`
  return sql(db, text).run({ before, limit }).changes
}

/** Removes the journals of up to `limit` turns that were over before then; returns how many turns were looked at. */
export function forgetJournals(db: WritableDb, before: string, limit: number): number {
  const forget = sql(db, 'DELETE FROM turn_steps WHERE turn_id = ?')
  return seeTo(db, { kind: 'turn_journals', table: 'turns', before, limit }, (id) => forget.run(id))
}

/** Empties up to `limit` tool calls from before then: that they were made, and what became of them, stays. */
export function emptyToolCalls(db: WritableDb, before: string, limit: number): number {
  const empty = sql(db, `UPDATE tool_calls SET input = '{}', output = NULL WHERE id = ?`)
  return seeTo(db, { kind: 'tool_call_contents', table: 'tool_calls', before, limit }, (id) => empty.run(id))
}

/** Goes on after the last row that was seen to, up to `limit` rows, and passes over what runs; returns how many it saw to. */
function seeTo(
  db: WritableDb,
  { kind, table, ...bounds }: { kind: string; table: 'turns' | 'tool_calls'; before: string; limit: number },
  see: (id: string) => void,
): number {
  return db.transaction(() => {
    const mark = sql(db, 'SELECT upto FROM retention_marks WHERE kind = ?').get(kind) as { upto: number } | undefined
    const text = `SELECT rowid AS at, id FROM ${table} WHERE rowid > @upto AND created_at < @before
      AND status <> 'running' ORDER BY rowid LIMIT @limit`
    const rows = sql(db, text).all({ upto: mark?.upto ?? 0, ...bounds }) as { at: number; id: string }[]
    for (const { id } of rows) see(id)
    const last = rows.at(-1)
    if (last) sql(db, 'INSERT OR REPLACE INTO retention_marks (kind, upto) VALUES (?, ?)').run(kind, last.at)
    return rows.length
  })()
}

/** Up to `limit` sessions that were closed before then, oldest first. */
export function listEndedSessions(db: ReadableDb, before: string, limit: number): SessionRow[] {
  const text = `SELECT id FROM sessions WHERE status IN ('archived', 'expired') AND updated_at < ?
    AND NOT EXISTS (SELECT 1 FROM turns WHERE session_id = sessions.id AND status = 'running')
    ORDER BY updated_at LIMIT ?`
  const rows = sql(db, text).all(before, limit) as { id: string }[]
  return rows.map(({ id }) => loadSession(db, id))
}

/** What the database takes, in bytes. `free` of it is empty, and is filled before the file grows. */
export interface DatabaseSize {
  file: number
  free: number
  /** Whether empty pages can leave the file, as they can where it was made by a build that foresaw it. */
  shrinks: boolean
}

export function databaseSize(db: ReadableDb): DatabaseSize {
  const number = (name: string) => db.pragma(name, { simple: true }) as number
  const page = number('page_size')
  return {
    file: number('page_count') * page,
    free: number('freelist_count') * page,
    shrinks: number('auto_vacuum') === incremental,
  }
}

/** Lets up to so many empty pages go from the end of the file; whether any went. */
export function shrink(db: WritableDb, pages: number): boolean {
  const empty = () => db.pragma('freelist_count', { simple: true }) as number
  const before = empty()
  db.pragma(`incremental_vacuum(${pages})`)
  return empty() < before
}

export interface RetentionRun {
  id: string
  started_by: 'housekeeping' | 'job' | 'operator'
  started_at: string
  duration_ms: number
  /** How many of each kind went. */
  removed: Record<string, number>
  freed_bytes: number
  file_bytes: number
  error: string | null
}

/** The newest so many are kept. */
export function recordRetentionRun(db: WritableDb, { removed, ...run }: RetentionRun, kept: number): void {
  db.transaction(() => {
    sql(
      db,
      `INSERT INTO retention_runs (id, started_by, started_at, duration_ms, removed_json, freed_bytes, file_bytes, error)
       VALUES (@id, @started_by, @started_at, @duration_ms, @removed_json, @freed_bytes, @file_bytes, @error)`,
    ).run({ ...run, removed_json: JSON.stringify(removed) })
    sql(
      db,
      'DELETE FROM retention_runs WHERE rowid NOT IN (SELECT rowid FROM retention_runs ORDER BY rowid DESC LIMIT ?)',
    ).run(kept)
  })()
}

/** Newest first. */
export function listRetentionRuns(db: ReadableDb, limit: number): RetentionRun[] {
  const rows = sql(db, 'SELECT * FROM retention_runs ORDER BY rowid DESC LIMIT ?').all(limit) as (Omit<
    RetentionRun,
    'removed'
  > & { removed_json: string })[]
  return rows.map(({ removed_json, ...run }) => ({ ...run, removed: JSON.parse(removed_json) }))
}
