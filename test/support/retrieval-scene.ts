import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { saveEmbeddings } from '#kernel/store/embeddings.ts'
import { insertMemory, type MemoryOrigin } from '#kernel/store/memories.ts'
import type { Store } from '#kernel/store/store.ts'
import type { EmbeddingStatus, MemorySettings, NewMemory } from '#sdk/services/memory.ts'
import { openReading, type Reading } from '../../services/memory/reading.ts'
import { search } from '../../services/memory/search.ts'
import { Vectors } from '../../services/memory/vectors.ts'
import { eventually } from './daemon.ts'
import { newMemory } from './new-memory.ts'
import { temporaryStore } from './temp-store.ts'

export const memoryNow = '2026-03-01T12:00:00.000Z'
export const memorySettings = {
  hybrid_weight: 0.5,
  half_life_days: 7,
  budget_pct: { working: 30, episodic: 25, semantic: 20, procedural: 15, relationship: 10 },
} satisfies Partial<MemorySettings>

/** A store of the kernel with the memory service's reading connection beside it. */
export function memoryStore(): { store: Store; path: string; db: Reading } {
  const { store, path } = temporaryStore()
  const db = openReading(path)
  onTestFinished(() => void db.close())
  return { store, path, db }
}

export type Entry = Partial<NewMemory> & Partial<MemoryOrigin> & { content: string }

/** Remembers something; what is not given is an unremarkable event of the owner's. */
export function remember(store: Store, entry: Entry): number {
  const { agent_id = 'keel', scope_key = 'owner', session_id = 'session-1', turn_id = null, at, ...given } = entry
  return insertMemory(store.write, { agent_id, scope_key, session_id, turn_id, at: at ?? memoryNow }, newMemory(given))
    .seq
}

export interface KernelDouble {
  embed: (params: { model: string; texts: string[] }) => Promise<{ vectors: number[][] }>
}

/** Vectors over a store, with a kernel that keeps them and, where given, a provider behind it. */
export async function openVectors(
  { store, path, db }: ReturnType<typeof memoryStore>,
  {
    embedding_model = null,
    embed,
    ...options
  }: Partial<KernelDouble> & { embedding_model?: string | null } & Partial<
      Pick<Parameters<typeof Vectors.open>[0], 'startWorker' | 'log'>
    > = {},
) {
  const reports: EmbeddingStatus[] = []
  const vectors = await Vectors.open({
    db,
    log: pino({ level: 'silent' }),
    settings: { database: path, embedding_model },
    kernel: {
      embed: embed ?? (() => Promise.reject(new Error('no provider'))),
      async saveEmbeddings({ model, dimensions, rows }) {
        const stored = rows.map(({ vector, ...row }) => ({ ...row, embedding: Buffer.from(vector, 'base64') }))
        return { saved: saveEmbeddings(store.write, { model, dimensions, rows: stored }) }
      },
      async reportEmbedding(status) {
        reports.push(status as EmbeddingStatus)
        return null
      },
    },
    ...options,
  })
  let open = true
  const close = async () => {
    if (open) await vectors.close()
    open = false
  }
  onTestFinished(close)
  return { vectors, reports, close }
}

export const embedded = (vectors: Vectors, count: number) =>
  eventually(
    `${count} entries with their vectors`,
    () => vectors.status().done === count && vectors.status().total === count,
    15_000,
  )

/** What a search of the owner's memory finds, by content. */
export async function found(
  db: Reading,
  vectors: Vectors,
  text: string,
  query: Partial<Parameters<typeof search>[0]> = {},
): Promise<string[]> {
  const { matches } = await searchFor(db, vectors, text, query)
  return matches.map(({ content }) => content)
}

export function searchFor(
  db: Reading,
  vectors: Vectors,
  text: string,
  query: Partial<Parameters<typeof search>[0]> = {},
) {
  return search(
    {
      ...{ agent_id: 'keel', scope_key: null, text, limit: 10, tiers: [], category: null, session_id: null },
      ...{ mode: 'fused', now: memoryNow },
      ...query,
    },
    { db, vectors, settings: memorySettings, signal: AbortSignal.timeout(15_000) },
  )
}
