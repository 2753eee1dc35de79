import { workerData } from 'node:worker_threads'
import { openReadable, openWritable } from './database.ts'
import { type LongReads, longReads } from './long-reads.ts'

const { path } = workerData as { path: string }
const db = openReadable(path)

export function read<K extends keyof LongReads>({ name, args }: { name: K; args: never }): unknown {
  return longReads[name](db, args)
}

/** Moves the write-ahead log into the database file as far as readers allow, without holding up a writer. */
export function checkpoint(): void {
  const writable = openWritable(path, 'normal')
  try {
    writable.pragma('wal_checkpoint(PASSIVE)')
  } finally {
    writable.close()
  }
}
