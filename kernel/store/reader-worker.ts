import { workerData } from 'node:worker_threads'
import { reasonOf } from '#sdk/errors.ts'
import { copyDatabase } from './copy.ts'
import { openReadable, openWritable, type ReadableDb } from './database.ts'
import { findDamage } from './inspect.ts'
import { type LongReads, longReads } from './long-reads.ts'
import { faultOf, type StoreFault } from './store-fault.ts'

/** What a job hands back: an error would cross to the other thread without its kind. */
export type Told<T> = { value: T } | { fault: StoreFault; reason: string }

/** How long a statement here waits for a lock, in milliseconds: nobody else is held up. */
const timeoutMs = 250

const { path } = workerData as { path: string }
let connection: ReadableDb | undefined

function opened(): ReadableDb {
  connection ??= openReadable(path, { timeoutMs })
  return connection
}

function tell<T>(job: () => T): Told<T> {
  try {
    return { value: job() }
  } catch (thrown) {
    const fault = faultOf(thrown)
    if (fault === undefined) throw thrown
    const { cause = thrown } = thrown as Error
    return { fault, reason: reasonOf(cause) }
  }
}

export function read<K extends keyof LongReads>({ name, args }: { name: K; args: never }): Told<unknown> {
  return tell(() => longReads[name](opened(), args))
}

/** Reads every page; a file that is damaged is told as such. */
export function check(): Told<null> {
  const damage = tell(() => findDamage(opened()))
  if ('fault' in damage || damage.value === undefined) return 'fault' in damage ? damage : { value: null }
  return { fault: 'corrupt', reason: damage.value }
}

/** Copies the whole database into an empty file. Tells what is wrong with the copy, null when nothing is. */
export function copy({ target }: { target: string }): Told<string | null> {
  return tell(() => copyDatabase(path, target, timeoutMs) ?? null)
}

/** Rounds of a checkpoint: what was written during one is left to the next, which has much less to do. */
const maxRounds = 4

/**
 * Moves the write-ahead log into the database file as far as readers allow, without holding up a writer, until it has
 * caught up with the writer but for `pages`. Tells how many pages are left.
 */
export function checkpoint({ pages }: { pages: number }): Told<number> {
  return tell(() => {
    const writable = openWritable(path, 'normal', { timeoutMs })
    try {
      let left = Number.POSITIVE_INFINITY
      for (let round = 0; round < maxRounds && left > pages; round++) {
        const [done] = writable.pragma('wal_checkpoint(PASSIVE)') as { log: number; checkpointed: number }[]
        left = done ? done.log - done.checkpointed : 0
      }
      return left
    } finally {
      writable.close()
    }
  })
}
