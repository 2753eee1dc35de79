import { stat } from 'node:fs/promises'
import { Piscina } from 'piscina'
import type { LongReads } from './long-reads.ts'

/** How often the size of the write-ahead log is looked at. */
const checkpointEveryMs = 2_000
/** From this size on, in bytes, the log is moved into the database file. */
const checkpointBytes = 4 * 1024 * 1024

/** Runs the named read on a thread with its own read-only connection. */
export interface ReaderPool {
  run<K extends keyof LongReads>(name: K, args: Parameters<LongReads[K]>[1]): Promise<ReturnType<LongReads[K]>>
  close(): Promise<void>
}

/** Threads start with the first read and end when idle; reads past `maxQueue` are refused rather than kept waiting. */
export function openReaderPool(path: string, onFault: (thrown: unknown) => void): ReaderPool {
  const piscina = new Piscina({
    filename: new URL('./reader-worker.ts', import.meta.url).href,
    workerData: { path },
    minThreads: 0,
    maxThreads: 2,
    maxQueue: 512,
    idleTimeout: 30_000,
  })

  async function checkpointIfLarge() {
    const { size } = await stat(`${path}-wal`)
    if (size >= checkpointBytes) await piscina.run(undefined, { name: 'checkpoint' })
  }

  const checkpoints = setInterval(() => void checkpointIfLarge().catch(onFault), checkpointEveryMs)
  checkpoints.unref()
  return {
    run: (name, args) => piscina.run({ name, args }, { name: 'read' }),
    async close() {
      clearInterval(checkpoints)
      await piscina.close()
    },
  }
}
