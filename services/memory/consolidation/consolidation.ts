import { setImmediate as turn } from 'node:timers/promises'
import type { ConsolidationReport, MemoryChanges, NewMemory } from '#sdk/services/memory.ts'
import type { MemoryTier } from '#sdk/services/memory-entry.ts'
import { noChanges } from '../changes.ts'
import type { ConsolidateDeps } from '../consolidate.ts'
import { type Reading, sql } from '../reading.ts'

/** What one run may change, so that its answer fits in a frame; the rest waits for the next. */
export const maxChanges = 10_000
/** What is kept in one transaction, which holds the kernel up meanwhile. */
const batchChanges = 200
/** Rows that are read at once. */
const pageRows = 500
/** How long a run goes on before others have their turn, and between two reports of how far it is, in milliseconds. */
const sliceMs = 20
const reportEveryMs = 200

export interface MemoryRow {
  seq: number
  id: string
  tier: MemoryTier
  category: string
  key: string | null
  name: string | null
  content: string
  importance: number
  confidence: number
  mentions: number
  state: 'active' | 'superseded' | 'dropped'
  agent_id: string
  scope_key: string
  session_id: string | null
  source: MemoryChanges['add'][number]['source']
  trusted: 0 | 1
  created_at: string
  updated_at: string
}

export const rowColumns =
  'seq, id, tier, category, key, name, content, importance, confidence, mentions, state, agent_id, scope_key, session_id, source, trusted, created_at, updated_at'

type Given = Omit<ConsolidateDeps, 'bounds'> & { now: string; bounds: NonNullable<ConsolidateDeps['bounds']> }

/** One run: what it has decided so far, which the steps after see as done. */
export class Consolidation {
  /** Each by itself leaves the memory sound, so that one may be kept and the next never come. */
  readonly batches: MemoryChanges[] = []
  readonly counts: Omit<ConsolidationReport, 'took_ms'> = { examined: 0, merged: 0, promoted: 0, pruned: 0, dropped: 0 }
  readonly #gone = new Map<string, MemoryTier>()
  readonly #mentions = new Map<string, number>()
  readonly #added = new Map<MemoryTier, number>()
  readonly #given: Given

  constructor(given: Given) {
    this.#given = given
  }

  /** What a step works with. */
  step(name: string): Step {
    const { db, now, settings, bounds, signal, emit } = this.#given
    let reportedAt = 0
    let restedAt = performance.now()
    const rest = async () => {
      if (performance.now() - restedAt < sliceMs) return
      await turn()
      signal.throwIfAborted()
      restedAt = performance.now()
    }
    const report = async (done: number, total: number) => {
      signal.throwIfAborted()
      await rest()
      if (done < total && performance.now() - reportedAt < reportEveryMs) return
      reportedAt = performance.now()
      await emit({ step: name, done, total })
    }
    return {
      db,
      now,
      settings,
      bounds,
      rest,
      report,
      run: this,
      pages: (order, maxRows) => pagesOf(db, order, maxRows, report),
    }
  }

  get isFull(): boolean {
    return this.batches.reduce((sum, batch) => sum + sizeOf(batch), 0) >= maxChanges
  }

  /** The batch for so many changes that belong together. */
  #batch(changes = 1): MemoryChanges {
    const last = this.batches.at(-1)
    if (last && sizeOf(last) + changes <= batchChanges) return last
    const next = noChanges()
    this.batches.push(next)
    return next
  }

  isGone(id: string): boolean {
    return this.#gone.has(id)
  }

  goneOf(tier: MemoryTier): number {
    return [...this.#gone.values()].filter((other) => other === tier).length
  }

  mentionsOf({ id, mentions }: Pick<MemoryRow, 'id' | 'mentions'>): number {
    return this.#mentions.get(id) ?? mentions
  }

  add(memory: NewMemory): void {
    this.#batch().add.push(memory)
    this.#added.set(memory.tier, this.addedTo(memory.tier) + 1)
  }

  addedTo(tier: MemoryTier): number {
    return this.#added.get(tier) ?? 0
  }

  remove({ id }: Pick<MemoryRow, 'id'>): void {
    this.#batch().remove.push(id)
  }

  drop({ id, tier }: Pick<MemoryRow, 'id' | 'tier'>, reason: string): void {
    this.#gone.set(id, tier)
    this.#batch().drop.push({ id, reason })
  }

  /** The kept one stands for the others. */
  merge(kept: MemoryRow, alike: readonly MemoryRow[]): void {
    const others = alike.slice(0, batchChanges - 1)
    const all = [kept, ...others]
    const batch = this.#batch(all.length)
    const mentions = all.reduce((sum, row) => sum + this.mentionsOf(row), 0)
    this.#mentions.set(kept.id, mentions)
    batch.update.push({
      id: kept.id,
      mentions,
      importance: Math.max(...all.map(({ importance }) => importance)),
      confidence: Math.max(...all.map(({ confidence }) => confidence)),
    })
    for (const { id, tier } of others) {
      this.#gone.set(id, tier)
      batch.supersede.push({ id, by: kept.id, reason: 'another entry says the same' })
    }
    this.counts.merged += others.length
  }
}

function sizeOf({ add, update, supersede, drop, remove }: MemoryChanges): number {
  return add.length + update.length + supersede.length + drop.length + remove.length
}

export interface Step extends Pick<Given, 'db' | 'now' | 'settings' | 'bounds'> {
  run: Consolidation
  /** Lets pings be answered, where it has worked for a while. */
  rest: () => Promise<void>
  /** Tells how far the step is. Like `rest` it throws when nobody waits for the result any more. */
  report: (done: number, total: number) => Promise<void>
  /** Entries by age, page by page. */
  pages: (order: 'oldest' | 'newest', maxRows?: number) => AsyncGenerator<MemoryRow[]>
}

async function* pagesOf(
  db: Reading,
  order: 'oldest' | 'newest',
  maxRows = Number.MAX_SAFE_INTEGER,
  report: Step['report'],
): AsyncGenerator<MemoryRow[]> {
  const { last } = sql(db, 'SELECT coalesce(max(seq), 0) AS last FROM memories').get() as { last: number }
  const page = sql(
    db,
    order === 'oldest'
      ? `SELECT ${rowColumns} FROM memories WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`
      : `SELECT ${rowColumns} FROM memories WHERE seq < ? AND seq <= ? ORDER BY seq DESC LIMIT ?`,
  )
  const total = Math.min(last, maxRows)
  let at = order === 'oldest' ? 0 : last + 1
  for (let done = 0; done < total; ) {
    const rows = page.all(at, last, Math.min(pageRows, total - done)) as MemoryRow[]
    if (rows.length === 0) break
    at = rows.at(-1)?.seq ?? at
    done += rows.length
    yield rows
    await report(done, total)
  }
}
