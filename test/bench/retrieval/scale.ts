import { performance } from 'node:perf_hooks'
import { saveEmbeddings } from '#kernel/store/embeddings.ts'
import { insertMemory } from '#kernel/store/memories.ts'
import type { Store } from '#kernel/store/store.ts'
import { timestamp } from '#sdk/ids.ts'
import { lexicalModel } from '../../../services/memory/embedding/lexical.ts'
import { toBytes } from '../../../services/memory/embedding/vector-bytes.ts'
import { search } from '../../../services/memory/search.ts'
import { quantile } from '../quantile.ts'
import { Corpus } from './corpus.ts'
import { agentId, event, type MemoryScene, memoryScene } from './scene.ts'

export interface Scale {
  entries: number
  p50Ms: number
  p99Ms: number
  /** What opening the memory and loading all vectors added to the process. */
  rssMb: number
  loadSeconds: number
  /** Entries a second, written with their place in the text index. */
  ingestRate: number
}

const batch = 2_000
const dimensions = 384
const linesPerSession = 40
const warmUp = 20
const mebibyte = 1_048_576

export async function measureScale(
  entries: number,
  { seed, questions }: { seed: number; questions: number },
): Promise<Scale> {
  const corpus = new Corpus(seed)
  let filledMs = 0
  let rssBefore = 0
  const scene = await memoryScene((store) => {
    filledMs = fill(store, corpus, entries)
    rssBefore = process.memoryUsage.rss()
  })
  try {
    const loadingSince = performance.now()
    await scene.embedded()
    const loadSeconds = (performance.now() - loadingSince) / 1_000
    const times = await timeQuestions(scene, corpus, questions)
    return {
      entries,
      p50Ms: quantile(times, 0.5),
      p99Ms: quantile(times, 0.99),
      rssMb: (process.memoryUsage.rss() - rssBefore) / mebibyte,
      loadSeconds,
      ingestRate: (entries / filledMs) * 1_000,
    }
  } finally {
    await scene.dispose()
  }
}

/** Returns the time that the entries took, their vectors left out. */
function fill(store: Store, corpus: Corpus, entries: number): number {
  let ms = 0
  for (let from = 0; from < entries; from += batch) {
    const count = Math.min(batch, entries - from)
    const sentences = Array.from({ length: count }, () => corpus.sentence())
    const startedAt = performance.now()
    const saved = store.write.transaction(() => sentences.map((text, at) => remember(store, from + at, text)))()
    ms += performance.now() - startedAt
    const rows = saved.map((row) => ({ ...row, embedding: toBytes(corpus.vector(dimensions)) }))
    saveEmbeddings(store.write, { model: lexicalModel, dimensions, rows })
  }
  return ms
}

const at = timestamp()

function remember(store: Store, number: number, text: string): { seq: number; updated_at: string } {
  const session_id = `session-${Math.floor(number / linesPerSession)}`
  const origin = { agent_id: agentId, scope_key: 'owner', session_id, turn_id: null, at }
  const { seq } = insertMemory(store.write, origin, event(`entry-${number}`, null, text))
  return { seq, updated_at: at }
}

async function timeQuestions(scene: MemoryScene, corpus: Corpus, questions: number): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n < warmUp + questions; n++) {
    const text = corpus.question()
    const startedAt = performance.now()
    await search(
      {
        ...{ agent_id: agentId, scope_key: null, text, limit: 10, mode: 'fused', now: at },
        ...{ tiers: [], category: null, session_id: null },
      },
      {
        db: scene.db,
        vectors: scene.vectors,
        settings: { hybrid_weight: 0.5, half_life_days: 7 },
        signal: AbortSignal.timeout(10_000),
      },
    )
    if (n >= warmUp) times.push(performance.now() - startedAt)
  }
  return times
}
