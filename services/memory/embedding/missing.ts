import { type Reading, sql } from '../reading.ts'
import { embeddedText } from './model.ts'

/** An entry without a vector, as it was when it was read. */
export interface Missing {
  seq: number
  updated_at: string
  text: string
}

interface Row {
  seq: number
  updated_at: string
  key: string | null
  name: string | null
  content: string
}

/** Sequence numbers that are looked at in one go. */
const rangeLength = 1_000

/**
 * Active entries after this number that have no vector of this model and length, in their order, and how far was looked;
 * `done` once there are no further ones.
 */
export function findMissing(
  db: Reading,
  { after, model, dimensions, limit }: { after: number; model: string; dimensions: number | null; limit: number },
): { rows: Missing[]; lookedTo: number; done: boolean } {
  const to = after + rangeLength
  const rows = sql(
    db,
    `SELECT m.seq, m.updated_at, m.key, m.name, m.content FROM memories AS m LEFT JOIN embeddings AS e ON e.seq = m.seq
     WHERE m.seq > @after AND m.seq <= @to AND m.state = 'active'
       AND (e.seq IS NULL OR e.model <> @model OR (@dimensions IS NOT NULL AND e.dimensions <> @dimensions))
     ORDER BY m.seq LIMIT @limit`,
  ).all({ after, to, model, dimensions, limit }) as Row[]
  const last = rows.at(-1)
  const lookedTo = rows.length === limit && last ? last.seq : to
  const { highest } = sql(db, 'SELECT max(seq) AS highest FROM memories').get() as { highest: number | null }
  return { rows: rows.map(toMissing), lookedTo, done: lookedTo >= (highest ?? 0) }
}

/** Those of these entries that are active; without those that have a vector, unless it is to be made anew. */
export function readWanted(db: Reading, seqs: readonly number[], model: string, anew: ReadonlySet<number>): Missing[] {
  const rows = sql(
    db,
    `SELECT m.seq, m.updated_at, m.key, m.name, m.content, e.model FROM json_each(?) AS wanted
     CROSS JOIN memories AS m ON m.seq = wanted.value LEFT JOIN embeddings AS e ON e.seq = m.seq
     WHERE m.state = 'active'`,
  ).all(JSON.stringify(seqs)) as (Row & { model: string | null })[]
  return rows.filter((row) => row.model !== model || anew.has(row.seq)).map(toMissing)
}

function toMissing({ seq, updated_at, ...entry }: Row): Missing {
  return { seq, updated_at, text: embeddedText(entry) }
}
