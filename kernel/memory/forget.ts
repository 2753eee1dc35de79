import { setTimeout as delay, setImmediate as nextRound } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { EventBus } from '#kernel/events/bus.ts'
import { clearCache } from '#kernel/store/inference-state.ts'
import { deleteMemory, loadMemory, type MemoryChange } from '#kernel/store/memories.ts'
import {
  dropIngestNaming,
  dropIngestOfSession,
  type Forgettable,
  type ForgettableRow,
  withHistory,
} from '#kernel/store/memory-forgetting.ts'
import type { Store } from '#kernel/store/store.ts'
import type { Client } from '#sdk/service.ts'
import type { inferenceService } from '#sdk/services/inference.ts'
import type { Announce } from './announce.ts'
import type { MemoryWork } from './memory-work.ts'

/** Entries removed in one transaction: the event loop waits for it. */
const batchSize = 100
/** The log can be cut off only when nobody reads in it: so often it is tried, with a pause in milliseconds. */
const cutting = { tries: 40, pauseMs: 50 }

export interface ForgetDeps {
  store: Store
  bus: EventBus
  log: Logger
  work: MemoryWork
  inference: () => Pick<Client<typeof inferenceService>, 'forgetCache'>
  announce: Announce
}

export type Forgotten = { forgotten: number; entries: ForgettableRow[] }

type What = { session_id: string } | { subject: string }

/** Removes one entry for good, and the earlier values whose place it took. `not_found` where there is none. */
export function forgetEntry(id: string, deps: ForgetDeps): Promise<number> {
  const { store, work } = deps
  return work.run((signal) => {
    loadMemory(store.read, id)
    return forgetIds(withHistory(store.read, id), 'entry', signal, deps)
  })
}

/** What a session, or a subject named as a phrase, has left behind. */
export async function findForgettable(what: What, { store }: Pick<ForgetDeps, 'store'>): Promise<Forgotten> {
  const { ids, shown } = await find(what, store)
  return { forgotten: ids.length, entries: shown }
}

/** Removes that for good. What waits to be remembered of it never is. */
export function forgetAll(what: What, deps: ForgetDeps): Promise<Forgotten> {
  const { store, work } = deps
  return work.run(async (signal) => {
    if ('session_id' in what) dropIngestOfSession(store.write, what.session_id)
    else dropIngestNaming(store.write, what.subject)
    const { ids, shown } = await find(what, store)
    await forgetIds(ids, 'session_id' in what ? 'session' : 'subject', signal, deps)
    return { forgotten: ids.length, entries: shown }
  })
}

function find(what: What, { pool }: Pick<Store, 'pool'>): Promise<Forgettable> {
  return 'session_id' in what ? pool.run('findOfSession', what.session_id) : pool.run('findNaming', what.subject)
}

async function forgetIds(
  ids: readonly string[],
  what: 'entry' | 'session' | 'subject',
  signal: AbortSignal,
  { store, bus, log, inference, announce }: ForgetDeps,
): Promise<number> {
  const removeBatch = (batch: readonly string[]): MemoryChange[] =>
    store.write.transaction(() => batch.flatMap((id) => deleteMemory(store.write, id)))()
  const removed: MemoryChange[] = []
  for (let from = 0; from < ids.length; from += batchSize) {
    signal.throwIfAborted()
    removed.push(...removeBatch(ids.slice(from, from + batchSize)))
    await nextRound()
  }
  if (removed.length === 0) return 0
  announce(removed)
  bus.publish('memory_forgotten', { count: removed.length, what })
  await emptyCache({ store, inference, log })
  await cutLog({ store, log })
  return removed.length
}

/** An answer in the cache may repeat what was forgotten. */
async function emptyCache({ store, inference, log }: Pick<ForgetDeps, 'store' | 'inference' | 'log'>): Promise<void> {
  // First the process, which might keep another answer meanwhile, then the table that the next process begins with.
  await inference()
    .forgetCache({})
    .catch((err: unknown) => log.warn({ err }, 'the inference service begins with an empty cache when it is back'))
  clearCache(store.write)
}

/** The write-ahead log holds the pages as they were before, until it is cut off. */
async function cutLog({ store, log }: Pick<ForgetDeps, 'store' | 'log'>): Promise<void> {
  for (let tries = 0; tries < cutting.tries; tries++) {
    if (tries > 0) await delay(cutting.pauseMs)
    const [done] = store.write.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[]
    if (done?.busy === 0) return
  }
  log.warn('what was forgotten stays in the log of the database until the log is next cut off')
}
