import type { ScoredMemory } from '#sdk/services/memory.ts'
import type { MemoryScores } from '#sdk/services/memory-entry.ts'
import { type Reading, sql } from './reading.ts'

/** An entry as the database holds it, without what only its writer needs. */
export interface EntryRow extends Omit<ScoredMemory, 'scores' | 'trusted'> {
  seq: number
  trusted: 0 | 1
  message_id: string | null
}

export const entryColumns = `m.seq, m.id, m.tier, m.category, m.key, m.name, m.content, m.importance, m.confidence,
  m.mentions, m.successes, m.failures, m.source, m.trusted, m.session_id, m.turn_id, m.message_id, m.created_at, m.updated_at`

/** These entries, by their numbers. */
export function readEntries(db: Reading, wanted: readonly { seq: number }[]): Map<number, EntryRow> {
  const rows = sql(
    db,
    `SELECT ${entryColumns} FROM json_each(?) AS wanted CROSS JOIN memories AS m ON m.seq = wanted.value`,
  ).all(JSON.stringify(wanted.map(({ seq }) => seq))) as EntryRow[]
  return new Map(rows.map((row) => [row.seq, row]))
}

/** None of an entry that is gone. */
export function toScored(entry: EntryRow | undefined, scores: MemoryScores): ScoredMemory[] {
  if (!entry) return []
  const { seq: _seq, message_id: _message, trusted, ...row } = entry
  return [{ ...row, trusted: trusted === 1, scores }]
}
