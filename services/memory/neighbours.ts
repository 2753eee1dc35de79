import { type Reading, sql } from './reading.ts'
import type { TextHit } from './text-search.ts'

/** What an entry gets of the score of the one right before or after it, and of the one beyond. */
const shares = [0.4, 0.15]
/** Hits that lend of their score. */
const maxLenders = 80

/**
 * What entries get from those beside them in their conversation. An answer seldom repeats its question's words, and a remark
 * not its occasion's: together they are found, each by itself they are not.
 */
export function borrowed(db: Reading, hits: readonly TextHit[]): Map<number, number> {
  const got = new Map<number, number>()
  for (const hit of hits.slice(0, maxLenders)) {
    for (const { seq, distance } of beside(db, hit)) {
      got.set(seq, (got.get(seq) ?? 0) + hit.score * (shares[distance - 1] ?? 0))
    }
  }
  return got
}

function beside(db: Reading, { seq, session_id, tier }: TextHit): { seq: number; distance: number }[] {
  if (session_id === null) return []
  const reach = shares.length
  const active = "session_id = ? AND tier = ? AND state = 'active'"
  const before = sql(
    db,
    `SELECT seq FROM memories INDEXED BY memories_by_session WHERE ${active} AND seq < ? ORDER BY seq DESC LIMIT ${reach}`,
  ).all(session_id, tier, seq) as { seq: number }[]
  const after = sql(
    db,
    `SELECT seq FROM memories INDEXED BY memories_by_session WHERE ${active} AND seq > ? ORDER BY seq LIMIT ${reach}`,
  ).all(session_id, tier, seq) as { seq: number }[]
  return [before, after].flatMap((side) => side.map((entry, at) => ({ seq: entry.seq, distance: at + 1 })))
}
