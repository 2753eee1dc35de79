import { chmodSync, existsSync } from 'node:fs'
import { RuntimeError } from '#sdk/errors.ts'
import { openReadable, openWritable, type ReadableDb, type WritableDb } from './database.ts'
import { migrate } from './migrate.ts'
import { openReaderPool, type ReaderPool } from './reader-pool.ts'

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
  close(): Promise<void>
}

/** The exit code for a database that can not be used. */
export const databaseExitCode = 3

/** Opens, checks and migrates the database at `path`. Errors carry `exit_code` 3 and say what to do. */
export function openStore(path: string, onFault: (thrown: unknown) => void): Store {
  const opened: { close(): void }[] = []
  try {
    const durable = openWritable(path, 'full')
    opened.push(durable)
    const write = openWritable(path, 'normal')
    opened.push(write)
    migrate(durable)
    const read = openReadable(path)
    opened.push(read)
    for (const file of [path, `${path}-wal`, `${path}-shm`]) if (existsSync(file)) chmodSync(file, 0o600)
    const pool = openReaderPool(path, onFault)
    return {
      read,
      write,
      durable,
      pool,
      async close() {
        await pool.close()
        read.close()
        write.pragma('wal_checkpoint(TRUNCATE)')
        write.close()
        durable.close()
      },
    }
  } catch (thrown) {
    for (const db of opened) db.close()
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    throw new RuntimeError(
      'unavailable',
      `The database can not be used: ${reason}`,
      { exit_code: databaseExitCode },
      { cause: thrown },
    )
  }
}
