import { performance } from 'node:perf_hooks'
import type { z } from 'zod'
import type { MemorySettings, memoryQuery, ScoredMemory, SearchTrace } from '#sdk/services/memory.ts'
import type { Filter } from './filter.ts'
import { namedIn } from './named-in.ts'
import { parseQueryText } from './query-text.ts'
import { type Ranked, rank } from './rank.ts'
import type { Reading } from './reading.ts'
import { readEntries, toScored } from './rows.ts'
import { rangeOf, searchText } from './text-search.ts'
import type { Vectors } from './vectors.ts'

/** Entries found by their vectors for each one wanted, so that rankings have something to agree on. */
const vectorHits = 3
const leastVectorHits = 30
const mostVectorHits = 100

export interface SearchScene {
  db: Reading
  vectors: Pick<Vectors, 'search' | 'words' | 'frequencies' | 'weight'>
  settings: Pick<MemorySettings, 'hybrid_weight' | 'half_life_days'>
  signal: AbortSignal
}

type Query = z.output<typeof memoryQuery>

export async function search(
  query: Query,
  scene: SearchScene,
): Promise<{ matches: ScoredMemory[]; trace: SearchTrace }> {
  const { ranked, trace } = await searchRanked(query, scene)
  const best = ranked.slice(0, query.limit)
  const rows = readEntries(scene.db, best)
  return { matches: best.flatMap(({ seq, scores }) => toScored(rows.get(seq), scores)), trace }
}

/** All that was found, in its order. */
export async function searchRanked(
  query: Query,
  scene: SearchScene,
): Promise<{ ranked: Ranked[]; trace: SearchTrace }> {
  const startedAt = performance.now()
  const { db, vectors, settings, signal } = scene
  const filter: Filter = query
  const count = Math.min(mostVectorHits, Math.max(leastVectorHits, query.limit * vectorHits))
  const asked = query.mode === 'text' ? undefined : vectors.search(query.text, filter, count, signal)
  // While this thread looks for words, another one compares vectors.
  const words = query.mode === 'vector' ? undefined : searchWords(query.text, filter, scene)
  const near = (await asked) ?? { hits: [], model: null, note: null }
  signal.throwIfAborted()
  const ranked = rank(
    db,
    {
      mode: query.mode,
      text: words?.hits ?? [],
      vectors: near.hits.map(({ seq, similarity }) => ({ seq, score: similarity })),
      vectorWeight: settings.hybrid_weight * vectors.weight,
      isNamed: namedIn(query.text, vectors.words),
    },
    { filter, settings, now: query.now },
  )
  const trace = {
    embedding_model: near.model,
    vector_note: near.note,
    left_out_words: words?.leftOut ?? [],
    took_ms: Math.round((performance.now() - startedAt) * 100) / 100,
  }
  return { ranked, trace }
}

function searchWords(text: string, filter: Filter, { db, vectors: { words, frequencies } }: SearchScene) {
  const range = rangeOf(db, filter)
  const rows = Math.max(1, frequencies.rows())
  const share = range ? Math.min(1, (range.to - range.from + 1) / rows) : 1
  const query = parseQueryText(text, { words, frequencies, share })
  return { hits: searchText(db, query, { filter, range }), leftOut: query.leftOut }
}
