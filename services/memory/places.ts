import { conditions, type Filter, values } from './filter.ts'
import { type Reading, sql } from './reading.ts'

/** Where an entry stands, and what its rank depends on besides its text. */
export interface Place {
  seq: number
  tier: string
  session_id: string | null
  name: string | null
  importance: number
  updated_at: string
}

/** Those of these entries that the filter lets pass, by their numbers. */
export function readPlaces(db: Reading, seqs: Iterable<number>, filter: Filter): Map<number, Place> {
  const rows = sql(
    db,
    `SELECT m.seq, m.tier, m.session_id, m.name, m.importance, m.updated_at FROM json_each(@seqs) AS wanted
     CROSS JOIN memories AS m ON m.seq = wanted.value WHERE ${conditions(filter)}`,
  ).all({ ...values(filter), seqs: JSON.stringify([...new Set(seqs)]) }) as Place[]
  return new Map(rows.map((row) => [row.seq, row]))
}
