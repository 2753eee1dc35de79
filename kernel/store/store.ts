import { chmodSync, existsSync, statSync } from 'node:fs'
import { RuntimeError } from '#sdk/errors.ts'
import packageJson from '../../package.json' with { type: 'json' }
import {
  busyTimeoutMs,
  type Closable,
  openReadable,
  openWritable,
  type ReadableDb,
  type WritableDb,
} from './database.ts'
import { findIdentity, setIdentity } from './identity.ts'
import { checkAtOnceBytes, inspectDatabase, issueOf } from './inspect.ts'
import { migrate } from './migrate.ts'
import { openReaderPool, type ReaderPool } from './reader-pool.ts'
import type { StoreFault } from './store-fault.ts'
import { StoreWatch } from './store-watch.ts'

/** How long a write may wait for another process to let go of the database, in milliseconds. */
const lockWaitMs = 5_000

/** The one owner of the database. */
export interface Store {
  /** For short, indexed reads on the event loop. */
  read: ReadableDb
  /** Survives the death of the process. */
  write: WritableDb
  /** Survives the death of the machine: accepted messages, approvals, claims, money, dead letters. */
  durable: WritableDb
  /** Reads that may be long, on threads of their own. */
  pool: ReaderPool
  /** What is wrong with the database or its disk now. */
  readonly fault: StoreFault | undefined
  /**
   * Waits, off the event loop and not for long, while another process holds the database. Asked before a write that has a
   * caller who can wait; never throws, for the write itself tells what is wrong.
   */
  free(): Promise<void>
  /** Writes what must not be given up for a passing fault: tries again for up to `ms` when the database takes writes again. */
  insist<T>(write: () => T, ms: number, signal?: AbortSignal): Promise<T>
  /** Resolves when the database takes writes again, and after `ms` in any case. */
  mended(ms: number): Promise<void>
  close(): Promise<void>
}

/** The exit code for a database that can not be used. */
export const databaseExitCode = 3

export interface StoreListeners {
  /** Told of what failed for no caller, such as a checkpoint. */
  onFault: (thrown: unknown) => void
  /** Told when the database or its disk stops to take writes or is found damaged, and when that is over. */
  onChange?: (fault: StoreFault | undefined, cause?: unknown) => void
}

/** Opens, checks and migrates the database at `path`. Errors carry `exit_code` 3 and say what to do. */
export function openStore(path: string, { onFault, onChange = () => {} }: StoreListeners): Store {
  const issue = inspectDatabase(path, { pages: 'when_small' })
  if (issue) throw unusable(issue)
  const opened: Closable[] = []
  try {
    const watch = new StoreWatch(onChange)
    const told = { onFault: (fault: StoreFault, cause: unknown) => watch.note(fault, cause) }
    const durable = openWritable(path, 'full', { ...told, timeoutMs: lockWaitMs })
    opened.push(durable)
    const write = openWritable(path, 'normal', told)
    opened.push(write)
    const size = statSync(path).size
    migrate(durable)
    noteBuild(durable)
    // From here on a wait would hold up the event loop.
    durable.pragma(`busy_timeout = ${busyTimeoutMs}`)
    const read = openReadable(path, told)
    opened.push(read)
    for (const file of [path, `${path}-wal`, `${path}-shm`]) if (existsSync(file)) chmodSync(file, 0o600)
    watch.probeWith(write)
    const pool = openReaderPool({
      path,
      watch,
      checkPages: size > checkAtOnceBytes,
      cutLog: () => void write.pragma('wal_checkpoint(TRUNCATE)'),
      onFault,
    })
    return {
      read,
      write,
      durable,
      pool,
      get fault() {
        return watch.fault
      },
      async free() {
        watch.lookAtLock()
        if (watch.fault === 'locked') await watch.mended(lockWaitMs)
      },
      insist: (body, ms, signal) => watch.insist(body, ms, signal),
      mended: (ms) => watch.mended(ms),
      async close() {
        watch.close()
        await pool.close()
        read.close()
        try {
          write.pragma('wal_checkpoint(TRUNCATE)')
        } catch (thrown) {
          // Nothing is lost by it: the next start finds all in the log.
          onFault(thrown)
        }
        write.close()
        durable.close()
      },
    }
  } catch (thrown) {
    for (const db of opened) db.close()
    throw unusable(issueOf(path, thrown), thrown)
  }
}

function unusable({ reason, fix }: { reason: string; fix: string }, cause?: unknown): RuntimeError {
  const advice = fix === '' ? '' : `. To go on: ${fix}`
  return new RuntimeError(
    'unavailable',
    `The database can not be used: ${reason}${advice}`,
    { exit_code: databaseExitCode },
    { cause },
  )
}

/** So that an older build can name the one that it needs. Also shows that the file can be written at all. */
function noteBuild(db: WritableDb): void {
  db.transaction(() => {
    if (findIdentity(db, 'build') !== packageJson.version) setIdentity(db, 'build', packageJson.version)
  })()
}
