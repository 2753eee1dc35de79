import { timestamp } from '#sdk/ids.ts'
import { sql, type WritableDb } from './database.ts'

export interface EmbeddingRow {
  seq: number
  /** Of the entry, as it was when its text was read. */
  updated_at: string
  embedding: Buffer
}

/** Keeps the vectors of entries that are still as they were; returns which those are. */
export function saveEmbeddings(
  db: WritableDb,
  { model, dimensions, rows }: { model: string; dimensions: number; rows: readonly EmbeddingRow[] },
): number[] {
  const insert = sql(
    db,
    `INSERT OR REPLACE INTO embeddings (seq, model, dimensions, embedding, created_at)
     SELECT seq, @model, @dimensions, @embedding, @now FROM memories WHERE seq = @seq AND updated_at = @updated_at`,
  )
  const now = timestamp()
  return db.transaction(() =>
    rows.filter((row) => insert.run({ ...row, model, dimensions, now }).changes > 0).map(({ seq }) => seq),
  )()
}
