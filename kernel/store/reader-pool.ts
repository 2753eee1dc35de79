import { stat } from 'node:fs/promises'
import { Piscina } from 'piscina'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import type { LongReads } from './long-reads.ts'
import type { Told } from './reader-worker.ts'
import { StoreError } from './store-fault.ts'
import type { StoreWatch } from './store-watch.ts'

/** How often the size of the write-ahead log is looked at. */
const checkpointEveryMs = 500
/** From this size on, in bytes, the log is moved into the database file. */
const checkpointBytes = 4 * 1024 * 1024
/** With no more pages than this left in it, the log is cut off on the event loop: a few milliseconds, with the disk's flush. */
const cutOffPages = 256

/** What takes long, on threads that have read-only connections of their own. */
export interface ReaderPool {
  /** Runs the named read. */
  run<K extends keyof LongReads>(name: K, args: Parameters<LongReads[K]>[1]): Promise<ReturnType<LongReads[K]>>
  /** Copies the database into the empty file `target`, and reads every page of the copy. */
  copyTo(target: string): Promise<void>
  close(): Promise<void>
}

export interface ReaderPoolOptions {
  path: string
  watch: StoreWatch
  /** Every page is read once, on a thread, and damage noted. */
  checkPages: boolean
  /** Moves what is left of the log and begins it anew. Under steady writes nobody but a writer finds the moment for that. */
  cutLog: () => void
  /** Told of a checkpoint that failed. */
  onFault: (thrown: unknown) => void
}

/** Threads start with the first read and end when idle; reads past `maxQueue` are refused rather than kept waiting. */
export function openReaderPool({ path, watch, checkPages, cutLog, onFault }: ReaderPoolOptions): ReaderPool {
  const piscina = new Piscina({
    filename: new URL('./reader-worker.ts', import.meta.url).href,
    workerData: { path },
    minThreads: 0,
    maxThreads: 2,
    maxQueue: 512,
    idleTimeout: 30_000,
  })
  const closing = new AbortController()

  async function work<T>(
    name: 'read' | 'check' | 'checkpoint' | 'copy',
    task: unknown,
    signal?: AbortSignal,
  ): Promise<T> {
    const told: Told<T> = await piscina.run(task, { name, ...(signal && { signal }) })
    if ('value' in told) return told.value
    const thrown = new StoreError(told.fault, { cause: new Error(told.reason) })
    // That the log could not be moved, or a copy not written, is no reason to refuse what still fits into the database.
    const isOfRead = name === 'read' || name === 'check'
    if (isOfRead || told.fault === 'corrupt') watch.note(told.fault, thrown)
    throw thrown
  }

  async function checkpointIfLarge() {
    const { size } = await stat(`${path}-wal`)
    if (size < checkpointBytes || watch.fault !== undefined) return
    const left = await work<number>('checkpoint', { pages: cutOffPages })
    if (left <= cutOffPages && !closing.signal.aborted) cutLog()
  }

  const tellUnlessClosing = (thrown: unknown) => {
    if (!closing.signal.aborted) onFault(thrown)
  }
  const checkpoints = setInterval(() => void checkpointIfLarge().catch(tellUnlessClosing), checkpointEveryMs)
  checkpoints.unref()
  if (checkPages) {
    work('check', undefined, closing.signal).catch((thrown) => {
      if (!closing.signal.aborted && !(thrown instanceof StoreError)) onFault(thrown)
    })
  }
  return {
    run: (name, args) => work('read', { name, args }),
    async copyTo(target) {
      const damage = await work<string | null>('copy', { target }, closing.signal).catch((thrown) => {
        if (!(thrown instanceof StoreError) || thrown.fault === 'corrupt') throw thrown
        throw new RuntimeError(
          'unavailable',
          `The database could not be copied: ${reasonOf(thrown.cause)}`,
          undefined,
          {
            cause: thrown,
          },
        )
      })
      if (damage !== null) throw new RuntimeError('unavailable', `The copy of the database is damaged: ${damage}`)
    },
    async close() {
      clearInterval(checkpoints)
      closing.abort()
      await piscina.close()
    },
  }
}
