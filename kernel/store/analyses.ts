import { timestamp } from '#sdk/ids.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface AnalysisRow {
  kind: 'turn' | 'session' | 'recommendations'
  /** The id of the turn or session, or the period. */
  subject_id: string
  model: string
  /** As the schema of its kind has it. */
  result_json: string
  basis: string
  tokens_in: number
  tokens_out: number
  /** Dollars. */
  cost: number
  created_at: string
}

const columns = 'kind, subject_id, model, result_json, basis, tokens_in, tokens_out, cost, created_at'

/** The newest of a subject takes the place of the one before. Of a turn or session that is gone by now none is kept. */
export function saveAnalysis(
  db: WritableDb,
  analysis: Omit<AnalysisRow, 'created_at'> & { turn_id: string | null; session_id: string | null },
): AnalysisRow {
  const { turn_id, session_id, ...row } = { ...analysis, created_at: timestamp() }
  const text = `INSERT OR REPLACE INTO analyses (${columns}, turn_id, session_id)
    SELECT @kind, @subject_id, @model, @result_json, @basis, @tokens_in, @tokens_out, @cost, @created_at, @turn_id, @session_id
    WHERE (@turn_id IS NULL OR EXISTS (SELECT 1 FROM turns WHERE id = @turn_id))
      AND (@session_id IS NULL OR EXISTS (SELECT 1 FROM sessions WHERE id = @session_id))`
  sql(db, text).run({ ...row, turn_id, session_id })
  return row
}

export function findAnalysis(
  db: ReadableDb,
  { kind, subject_id }: Pick<AnalysisRow, 'kind' | 'subject_id'>,
): AnalysisRow | undefined {
  const text = `SELECT ${columns} FROM analyses WHERE kind = ? AND subject_id = ?`
  return sql(db, text).get(kind, subject_id) as AnalysisRow | undefined
}

/** When each was dismissed, by the recommendation's id. */
export function listDismissals(db: ReadableDb): Map<string, string> {
  const rows = sql(db, 'SELECT id, dismissed_at FROM recommendation_dismissals').all() as {
    id: string
    dismissed_at: string
  }[]
  return new Map(rows.map(({ id, dismissed_at }) => [id, dismissed_at]))
}

export function saveDismissal(db: WritableDb, id: string): void {
  sql(db, 'INSERT OR IGNORE INTO recommendation_dismissals (id, dismissed_at) VALUES (?, ?)').run(id, timestamp())
}

export function removeDismissal(db: WritableDb, id: string): void {
  sql(db, 'DELETE FROM recommendation_dismissals WHERE id = ?').run(id)
}
