import { fromBytes } from '../embedding/vector-bytes.ts'
import { conditions, type Filter, values } from '../filter.ts'
import { type Reading, sql } from '../reading.ts'

export interface StoredVectors {
  rows: { seq: number; vector: Float32Array }[]
  /** Entries whose rows are no vectors. */
  corrupt: number[]
}

interface Row {
  seq: number
  embedding: Buffer
}

/** The length of vectors of this model, as the newest one has it; null where that is another model's. */
export function storedDimensions(db: Reading, model: string): number | null {
  const row = sql(db, 'SELECT model, dimensions FROM embeddings ORDER BY seq DESC LIMIT 1').get() as
    | { model: string; dimensions: number }
    | undefined
  return row?.model === model ? row.dimensions : null
}

export function highestSeq(db: Reading): number {
  return (sql(db, 'SELECT max(seq) AS seq FROM memories').get() as { seq: number | null }).seq ?? 0
}

export function countActive(db: Reading): number {
  // Tier by tier, so that an index alone answers.
  const row = sql(
    db,
    `SELECT count(*) AS count FROM memories INDEXED BY memories_by_importance
     WHERE tier IN ('working', 'episodic', 'semantic', 'procedural', 'relationship') AND state = 'active'`,
  ).get() as { count: number }
  return row.count
}

/** Of the active entries after one number and up to another. */
export function readRange(db: Reading, after: number, to: number, model: string, dimensions: number): StoredVectors {
  const rows = sql(
    db,
    `SELECT e.seq, e.embedding FROM embeddings AS e CROSS JOIN memories AS m ON m.seq = e.seq
     WHERE e.seq > ? AND e.seq <= ? AND e.model = ? AND e.dimensions = ? AND m.state = 'active'`,
  ).all(after, to, model, dimensions) as Row[]
  return decoded(rows, dimensions)
}

export function readThese(db: Reading, seqs: readonly number[], model: string, dimensions: number): StoredVectors {
  const rows = sql(
    db,
    `SELECT e.seq, e.embedding FROM json_each(?) AS wanted CROSS JOIN embeddings AS e ON e.seq = wanted.value
     CROSS JOIN memories AS m ON m.seq = e.seq
     WHERE e.model = ? AND e.dimensions = ? AND m.state = 'active'`,
  ).all(JSON.stringify(seqs), model, dimensions) as Row[]
  return decoded(rows, dimensions)
}

/** Those of these that the filter lets pass. */
export function passing(db: Reading, seqs: readonly number[], filter: Filter): Set<number> {
  const rows = sql(
    db,
    `SELECT m.seq FROM json_each(@seqs) AS wanted CROSS JOIN memories AS m ON m.seq = wanted.value WHERE ${conditions(filter)}`,
  ).all({ ...values(filter), seqs: JSON.stringify(seqs) }) as { seq: number }[]
  return new Set(rows.map(({ seq }) => seq))
}

/** All that the filter lets pass, up to so many. */
export function allPassing(db: Reading, filter: Filter, most: number): number[] {
  const rows = sql(db, `SELECT m.seq FROM memories AS m WHERE ${conditions(filter)} LIMIT @most`).all({
    ...values(filter),
    most,
  }) as { seq: number }[]
  return rows.map(({ seq }) => seq)
}

function decoded(rows: readonly Row[], dimensions: number): StoredVectors {
  const read: StoredVectors = { rows: [], corrupt: [] }
  for (const { seq, embedding } of rows) {
    const vector = fromBytes(embedding, dimensions)
    if (vector) read.rows.push({ seq, vector })
    else read.corrupt.push(seq)
  }
  return read
}
