import type { ReplayRecord } from '#sdk/contracts/replays.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

/** So many replays of one turn, and of all turns, are kept; the oldest make room. */
const maxOfTurn = 20
const maxKept = 2_000

export function insertReplay(db: WritableDb, { replay_id, turn_id, created_at, changes, replay, notes }: ReplayRecord) {
  const { status, model, tokens_in, tokens_out, cost, latency_ms } = replay
  db.transaction(() => {
    sql(
      db,
      `INSERT INTO replays (id, turn_id, changes_json, result_json, notes_json, status, model, tokens_in, tokens_out, cost, latency_ms, created_at)
       VALUES (@id, @turn_id, @changes, @result, @notes, @status, @model, @tokens_in, @tokens_out, @cost, @latency_ms, @created_at)`,
    ).run({
      id: replay_id,
      turn_id,
      changes: JSON.stringify(changes),
      result: JSON.stringify(replay),
      notes: JSON.stringify(notes),
      status,
      model,
      tokens_in,
      tokens_out,
      cost,
      latency_ms: Math.round(latency_ms),
      created_at,
    })
    sql(
      db,
      `DELETE FROM replays WHERE id IN
         (SELECT id FROM replays WHERE turn_id = ? ORDER BY created_at DESC, rowid DESC LIMIT -1 OFFSET ${maxOfTurn})`,
    ).run(turn_id)
    sql(
      db,
      `DELETE FROM replays WHERE id IN
         (SELECT id FROM replays ORDER BY created_at DESC, rowid DESC LIMIT -1 OFFSET ${maxKept})`,
    ).run()
  })()
}

interface StoredReplay {
  id: string
  turn_id: string
  changes_json: string
  result_json: string
  notes_json: string
  created_at: string
}

/** Of one turn, newest first. */
export function listReplays(db: ReadableDb, turnId: string): ReplayRecord[] {
  const rows = sql(
    db,
    `SELECT id, turn_id, changes_json, result_json, notes_json, created_at FROM replays
     WHERE turn_id = ? ORDER BY created_at DESC, rowid DESC`,
  ).all(turnId) as StoredReplay[]
  return rows.map(({ id, turn_id, changes_json, result_json, notes_json, created_at }) => ({
    replay_id: id,
    turn_id,
    created_at,
    changes: JSON.parse(changes_json) as ReplayRecord['changes'],
    replay: JSON.parse(result_json) as ReplayRecord['replay'],
    notes: JSON.parse(notes_json) as string[],
  }))
}
