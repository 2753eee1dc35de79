import Database from 'better-sqlite3'
import { faultOf, StoreError, type StoreFault } from './store-fault.ts'

/** A connection that only reads. Its type keeps writing functions away from it. */
export type ReadableDb = Pick<Database.Database, 'prepare' | 'pragma'> & { readonly [readable]: true }
/** A connection that may write; there are two, both in the kernel. */
export type WritableDb = ReadableDb &
  Pick<Database.Database, 'exec'> & {
    readonly [writable]: true
    /** Takes the lock at once, so that a wait for it comes before anything was read. */
    transaction<A extends unknown[], R>(body: (...args: A) => R): (...args: A) => R
  }

declare const readable: unique symbol
declare const writable: unique symbol

/** What SQLite calls it when empty pages leave the file a few at a time, on request. Only an empty database takes it. */
export const incremental = 2

export type Closable = { close(): void }

/** How long opening may wait for a lock held by another process, in milliseconds. */
const openTimeoutMs = 5_000
/**
 * The same for a statement, which holds up the event loop meanwhile: enough for another's short write. Who can wait longer
 * asks the store for its turn.
 */
export const busyTimeoutMs = 10

export interface OpenOptions {
  /** Told of each fault of the store, which is thrown as a `StoreError` as well. */
  onFault?: (fault: StoreFault, cause: unknown) => void
  /** How long a statement waits for a lock held by another process, in milliseconds. */
  timeoutMs?: number
}

/** `normal` survives the death of the process; `full` survives that of the machine, and costs a disk flush a commit. */
export function openWritable(
  path: string,
  durability: 'normal' | 'full',
  { onFault, timeoutMs = busyTimeoutMs }: OpenOptions = {},
): WritableDb & Closable {
  const db = new Database(path, { timeout: openTimeoutMs })
  try {
    db.pragma(`auto_vacuum = ${incremental}`)
    db.pragma('journal_mode = WAL')
    db.pragma(`synchronous = ${durability.toUpperCase()}`)
    db.pragma('foreign_keys = ON')
    // What is deleted is overwritten: the file keeps no copy of what somebody had forgotten.
    db.pragma('secure_delete = ON')
    // Checkpoints run in a worker (reader-pool.ts): in line they would stall the event loop at a random commit.
    db.pragma('wal_autocheckpoint = 0')
    db.pragma(`busy_timeout = ${timeoutMs}`)
  } catch (thrown) {
    db.close()
    throw thrown
  }
  return tellFaults(db, onFault) as WritableDb & Closable
}

export function openReadable(
  path: string,
  { onFault, timeoutMs = busyTimeoutMs }: OpenOptions = {},
): ReadableDb & Closable {
  const db = new Database(path, { readonly: true, timeout: timeoutMs })
  db.pragma('query_only = ON')
  return tellFaults(db, onFault) as ReadableDb & Closable
}

/** The same connection, whose statements throw a `StoreError` for what is wrong with the file or its disk. */
function tellFaults(db: Database.Database, onFault: OpenOptions['onFault']): unknown {
  function plainly<A extends unknown[], R>(call: (...args: A) => R): (...args: A) => R {
    return (...args) => {
      try {
        return call(...args)
      } catch (thrown) {
        const fault = faultOf(thrown)
        if (fault === undefined || thrown instanceof StoreError) throw thrown
        onFault?.(fault, thrown)
        throw new StoreError(fault, { cause: thrown })
      }
    }
  }
  const prepare = db.prepare.bind(db)
  const transaction = db.transaction.bind(db)
  return Object.assign(db, {
    exec: plainly(db.exec.bind(db)),
    prepare: plainly((text: string) => {
      const statement = prepare(text)
      const run = plainly(statement.run.bind(statement))
      const get = plainly(statement.get.bind(statement))
      const all = plainly(statement.all.bind(statement))
      return Object.assign(statement, { run, get, all })
    }),
    transaction: (body: (...args: unknown[]) => unknown) => plainly(transaction(body).immediate),
  })
}

const statements = new WeakMap<ReadableDb, Map<string, Database.Statement>>()

/** A prepared statement, compiled once for each connection. */
export function sql(db: ReadableDb, text: string): Database.Statement {
  let prepared = statements.get(db)
  if (!prepared) {
    prepared = new Map()
    statements.set(db, prepared)
  }
  let statement = prepared.get(text)
  if (!statement) {
    statement = db.prepare(text)
    prepared.set(text, statement)
  }
  return statement
}
