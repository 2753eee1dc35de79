import { estimateTokens } from '#sdk/messages.ts'
import type { RecalledMemory } from '#sdk/services/memory.ts'
import type { MemoryScores } from '#sdk/services/memory-entry.ts'
import type { EntryRow } from '../rows.ts'

/** An entry that a turn may be reminded of. */
export interface Candidate {
  row: EntryRow
  scores: MemoryScores
  tokens: number
}

export function candidate(row: EntryRow, scores: MemoryScores): Candidate {
  // As it is shown: what it is called, and what it says.
  const shown = [row.name ?? row.key, row.content].filter(Boolean).join(': ')
  return { row, scores, tokens: estimateTokens(shown) }
}

export function toRecalled({ row, scores, tokens }: Candidate): RecalledMemory {
  const { id, tier, category, key, name, content, source, trusted, created_at } = row
  const { confidence, mentions, successes, failures } = row
  return {
    ...{ id, tier, category, key, name, content, source, trusted: trusted === 1, created_at },
    ...{ confidence, mentions, successes, failures, tokens, scores },
  }
}
