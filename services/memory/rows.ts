import type { ScoredMemory } from '#sdk/services/memory.ts'
import type { MemoryScores } from '#sdk/services/memory-entry.ts'
import { conditions, type Filter, values } from './filter.ts'
import { type Reading, sql } from './reading.ts'

/** An entry as the database holds it, without what only its writer needs. */
export interface EntryRow extends Omit<ScoredMemory, 'scores' | 'trusted'> {
  seq: number
  trusted: 0 | 1
  message_id: string | null
}

export const entryColumns = `m.seq, m.id, m.tier, m.category, m.key, m.name, m.content, m.importance, m.confidence,
  m.mentions, m.successes, m.failures, m.source, m.trusted, m.session_id, m.turn_id, m.message_id, m.created_at, m.updated_at`

/** Those of these entries that the filter lets pass, by their numbers. */
export function readEntries(db: Reading, seqs: readonly number[], filter: Filter): Map<number, EntryRow> {
  const rows = sql(
    db,
    `SELECT ${entryColumns} FROM json_each(@seqs) AS wanted CROSS JOIN memories AS m ON m.seq = wanted.value
     WHERE ${conditions(filter)}`,
  ).all({ ...values(filter), seqs: JSON.stringify(seqs) }) as EntryRow[]
  return new Map(rows.map((row) => [row.seq, row]))
}

export function toScored(
  { seq: _seq, message_id: _message, trusted, ...row }: EntryRow,
  scores: MemoryScores,
): ScoredMemory {
  return { ...row, trusted: trusted === 1, scores }
}
