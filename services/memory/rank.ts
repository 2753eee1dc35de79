import type { MemorySettings, SearchMode } from '#sdk/services/memory.ts'
import type { MemoryScores } from '#sdk/services/memory-entry.ts'
import type { Filter } from './filter.ts'
import { fuse, type Ranking, recencyOf, tempered } from './fuse.ts'
import { borrowed } from './neighbours.ts'
import type { Reading } from './reading.ts'
import { type EntryRow, readEntries } from './rows.ts'
import type { TextHit } from './text-search.ts'
import type { VectorHits } from './vectors.ts'

export interface Found {
  mode: SearchMode
  text: readonly TextHit[]
  vectors: VectorHits['hits']
  /** How much vectors count beside words, 0 to 1. */
  vectorWeight: number
}

export interface Ranked {
  row: EntryRow
  scores: MemoryScores
}

interface Terms {
  filter: Filter
  settings: Pick<MemorySettings, 'half_life_days'>
  now: string
}

/** One ranking of what words, vectors and the entries beside one another say. */
export function rank(db: Reading, { mode, text, vectors, vectorWeight }: Found, terms: Terms): Ranked[] {
  const context = mode === 'fused' ? borrowed(db, text) : new Map<number, number>()
  const own = new Map(text.map(({ seq, score }) => [seq, score]))
  const together = new Map(
    [...new Set([...own.keys(), ...context.keys()])].map((seq) => [seq, (own.get(seq) ?? 0) + (context.get(seq) ?? 0)]),
  )
  const rankings: Ranking[] = [
    { seqs: bestFirst(together), weight: vectors.length > 0 ? 1 - vectorWeight : 1 },
    { seqs: vectors.map(({ seq }) => seq), weight: together.size > 0 ? vectorWeight : 1 },
  ]
  const fused = fuse(rankings)
  const similarities = new Map(vectors.map(({ seq, similarity }) => [seq, similarity]))
  const rows = readEntries(db, [...fused.keys()], terms.filter)
  const best = Math.max(...own.values(), Number.MIN_VALUE)
  const bestContext = Math.max(...context.values(), best)
  return [...rows.values()]
    .map((row) => {
      const recency = recencyOf(row.updated_at, terms.now, terms.settings.half_life_days)
      const importance = row.importance / 10
      const similarity = similarities.get(row.seq)
      return {
        row,
        scores: {
          text: shareOf(own.get(row.seq), best),
          vector: similarity === undefined ? null : clamp(similarity),
          context: shareOf(context.get(row.seq), bestContext),
          recency,
          importance,
          total: clamp(tempered(fused.get(row.seq) ?? 0, { recency, importance })),
        },
      }
    })
    .sort((left, right) => right.scores.total - left.scores.total || right.row.seq - left.row.seq)
}

function bestFirst(scores: ReadonlyMap<number, number>): number[] {
  return [...scores].sort(([, left], [, right]) => right - left).map(([seq]) => seq)
}

function shareOf(score: number | undefined, best: number): number | null {
  return score === undefined ? null : clamp(score / best)
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value))
}
