import type { Place } from './places.ts'
import { type Reading, sql } from './reading.ts'

/** What an entry gets of the score of the one right beside it, and of the one beyond. */
const shares = [0.6, 0.4]
/** Hits that lend of their score. */
const maxLenders = 24

export interface Scored {
  seq: number
  score: number
}

/**
 * What entries get from those beside them in their conversation. An answer seldom repeats its question's words, and a remark
 * not its occasion's: together they are found, each by itself they are not.
 */
export class Neighbours {
  readonly #db: Reading
  readonly #known = new Map<number, Scored[]>()

  constructor(db: Reading) {
    this.#db = db
  }

  /** By entry, what the best of these hits lend to it. */
  lent(hits: readonly Scored[], places: ReadonlyMap<number, Place>): Map<number, number> {
    const got = new Map<number, number>()
    for (const { seq, score } of hits.slice(0, maxLenders)) {
      const place = places.get(seq)
      if (!place) continue
      for (const beside of this.#beside(place)) got.set(beside.seq, (got.get(beside.seq) ?? 0) + score * beside.score)
    }
    return got
  }

  /** Those around it, each with its share. */
  #beside(place: Place): Scored[] {
    const known = this.#known.get(place.seq)
    if (known) return known
    const found = [this.#side(place, '<', 'DESC'), this.#side(place, '>', 'ASC')].flatMap((side) =>
      side.map((seq, at) => ({ seq, score: shares[at] ?? 0 })),
    )
    this.#known.set(place.seq, found)
    return found
  }

  #side({ seq, session_id, tier }: Place, than: '<' | '>', order: 'ASC' | 'DESC'): number[] {
    // A fact, or a person, is not said before or after another.
    if (session_id === null || tier !== 'episodic') return []
    const select = sql(
      this.#db,
      `SELECT seq FROM memories INDEXED BY memories_by_session
       WHERE session_id = ? AND seq ${than} ? AND tier = ? AND state = 'active' ORDER BY seq ${order} LIMIT ${shares.length}`,
    )
    return select.pluck().all(session_id, seq, tier) as number[]
  }
}
