import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { sql } from '#kernel/store/database.ts'
import { applyMemoryChanges, type MemoryRow } from '#kernel/store/memories.ts'
import type { Store } from '#kernel/store/store.ts'
import { newId } from '#sdk/ids.ts'
import type { Exchange, MemoryChanges, MemorySettings, NewMemory } from '#sdk/services/memory.ts'
import { memoryChanges } from '#sdk/services/memory.ts'
import { type IngestDeps, ingestExchange } from '../../services/memory/ingest.ts'
import { openReading, type Reading } from '../../services/memory/reading.ts'
import { newMemory } from './new-memory.ts'
import { temporaryStore } from './temp-store.ts'

export const learning: MemorySettings['learning'] = {
  enabled: true,
  min_tool_sequence: 3,
  min_success_ratio: 0.7,
  stale_procedural_days: 30,
}

/** A real store, written as the kernel writes it and read as the memory service reads it. */
export interface MemoryScene {
  store: Store
  db: Reading
  /** What is remembered of the turn, kept. */
  say: (question: string, more?: Partial<Exchange>, deps?: Partial<IngestDeps>) => Promise<MemoryChanges>
  apply: (changes: MemoryChanges, origin?: Partial<Exchange>) => void
  add: (
    memory: Partial<NewMemory> & Pick<NewMemory, 'tier' | 'content'>,
    more?: { at?: string; session_id?: string },
  ) => NewMemory
  rows: (where?: string) => MemoryRow[]
}

export function exchangeOf(question: string, more: Partial<Exchange> = {}): Exchange {
  return {
    turn_id: newId(),
    session_id: 'session',
    agent_id: 'keel',
    scope_key: 'agent',
    channel: 'api',
    authority: 'Creator',
    peer: null,
    at: '2026-03-02T09:00:00.000Z',
    status: 'ok',
    question: { message_id: 'asked', text: question },
    answer: { message_id: 'answered', text: 'I understand what you have told me, and shall think of it.' },
    tools: [],
    skills: [],
    ...more,
  }
}

export function ingestDeps(db: Reading, deps: Partial<IngestDeps> = {}): IngestDeps {
  return {
    db,
    kernel: { ask: () => Promise.reject(new Error('nobody may be asked here')) },
    settings: { extract_by_model: false, learning },
    log: pino({ enabled: false }),
    signal: new AbortController().signal,
    ...deps,
  }
}

export function memoryScene(): MemoryScene {
  const { store, path } = temporaryStore()
  const db = openReading(path)
  onTestFinished(() => void db.close())

  const apply: MemoryScene['apply'] = (changes, origin = {}) => {
    const { agent_id = 'keel', scope_key = 'agent', session_id = 'session', turn_id = 'turn', at } = origin
    applyMemoryChanges(
      store.write,
      { agent_id, scope_key, session_id, turn_id, ...(at && { at }) },
      memoryChanges.parse(changes),
    )
  }
  return {
    store,
    db,
    apply,
    async say(question, more = {}, deps = {}) {
      const exchange = exchangeOf(question, more)
      const changes = await ingestExchange(exchange, ingestDeps(db, deps))
      apply(changes, exchange)
      return changes
    },
    add(memory, more = {}) {
      const made = newMemory({ category: 'reasoning', ...memory })
      apply({ add: [made], update: [], supersede: [], drop: [], remove: [] }, more)
      return made
    },
    rows: (where = 'true') =>
      sql(store.read, `SELECT * FROM memories WHERE ${where} ORDER BY seq`).all() as MemoryRow[],
  }
}
