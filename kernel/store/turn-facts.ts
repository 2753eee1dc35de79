import { type ReadableDb, sql } from './database.ts'
import { findFeedback } from './feedback.ts'
import { type ContextSnapshotRow, findContextSnapshot } from './turn-steps.ts'
import { findTurn, type TurnRow } from './turns.ts'

/** What of a turn is measured. */
export interface TurnFacts {
  turn: TurnRow
  /** What the model was shown; absent where nothing was recorded. */
  snapshot: ContextSnapshotRow | null
  /** Each was sent the whole context. At least 1. */
  model_calls: number
  tool_calls: number
  tool_failures: number
  /** Dollars a turn, over the newest turns of the session that a model was asked in; null where none has a cost. */
  session_mean_cost: number | null
  grade: number | null
}

/** So many turns of a session are looked at, the newest. */
export const maxSessionTurns = 5_000

/** Undefined where there is no such turn. */
export function turnFacts(db: ReadableDb, { turn_id }: { turn_id: string }): TurnFacts | undefined {
  const turn = findTurn(db, turn_id)
  if (!turn) return undefined
  return {
    turn,
    snapshot: findContextSnapshot(db, turn_id) ?? null,
    model_calls: Math.max(1, modelCalls(db, turn_id)),
    ...toolCounts(db, turn_id),
    session_mean_cost: meanCost(db, turn.session_id),
    grade: findFeedback(db, turn_id)?.grade ?? null,
  }
}

/** Calls of other tiers are about the turn and not of it. */
function modelCalls(db: ReadableDb, turnId: string): number {
  const text = 'SELECT count(*) AS n FROM inference_costs WHERE turn_id = ? AND tier IS NULL'
  return (sql(db, text).get(turnId) as { n: number }).n
}

function toolCounts(db: ReadableDb, turnId: string): Pick<TurnFacts, 'tool_calls' | 'tool_failures'> {
  const text = `SELECT count(*) AS tool_calls, coalesce(sum(status NOT IN ('success', 'partial_success')), 0) AS tool_failures
    FROM tool_calls WHERE turn_id = ? AND status NOT IN ('running', 'awaiting_approval')`
  return sql(db, text).get(turnId) as Pick<TurnFacts, 'tool_calls' | 'tool_failures'>
}

function meanCost(db: ReadableDb, sessionId: string): number | null {
  const text = `SELECT avg(cost) AS mean FROM (
      SELECT cost FROM turns WHERE session_id = ? AND cost IS NOT NULL AND status NOT IN ('running', 'appended')
      ORDER BY rowid DESC LIMIT ${maxSessionTurns})`
  return (sql(db, text).get(sessionId) as { mean: number | null }).mean
}
