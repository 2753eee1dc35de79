import { newId, timestamp } from '#sdk/ids.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface FeedbackRow {
  id: string
  turn_id: string
  session_id: string
  grade: number
  source: string
  comment: string | null
  created_at: string
}

const columns = 'id, turn_id, session_id, grade, source, comment, created_at'

/** One grade a turn. An absent comment leaves the stored one; null clears it. */
export function saveFeedback(
  db: WritableDb,
  feedback: { turn_id: string; session_id: string; grade: number; comment: string | null | undefined },
): FeedbackRow {
  const keepComment = feedback.comment === undefined
  return sql(
    db,
    `INSERT INTO turn_feedback (${columns}) VALUES (@id, @turn_id, @session_id, @grade, 'dashboard', @comment, @now)
     ON CONFLICT (turn_id) DO UPDATE SET grade = excluded.grade, comment = ${keepComment ? 'comment' : 'excluded.comment'}
     RETURNING ${columns}`,
  ).get({
    id: newId(),
    turn_id: feedback.turn_id,
    session_id: feedback.session_id,
    grade: feedback.grade,
    comment: feedback.comment ?? null,
    now: timestamp(),
  }) as FeedbackRow
}

/** The newest `limit` grades of turns that a model answered, oldest first. */
export function recentGrades(db: ReadableDb, limit: number): { model: string; turn_id: string; grade: number }[] {
  const text = `SELECT t.model, f.turn_id, f.grade FROM turn_feedback f CROSS JOIN turns t ON t.id = f.turn_id
    WHERE t.model IS NOT NULL ORDER BY f.rowid DESC LIMIT ?`
  return (sql(db, text).all(limit) as { model: string; turn_id: string; grade: number }[]).reverse()
}

export function findFeedback(db: ReadableDb, turnId: string): FeedbackRow | undefined {
  return sql(db, `SELECT ${columns} FROM turn_feedback WHERE turn_id = ?`).get(turnId) as FeedbackRow | undefined
}

export function listFeedback(db: ReadableDb, sessionId: string): FeedbackRow[] {
  return sql(db, `SELECT ${columns} FROM turn_feedback WHERE session_id = ? ORDER BY rowid`).all(
    sessionId,
  ) as FeedbackRow[]
}
