import Database from 'better-sqlite3'

/** A connection that only reads. Its type keeps writing functions away from it. */
export type ReadableDb = Pick<Database.Database, 'prepare' | 'pragma'> & { readonly [readable]: true }
/** A connection that may write; there are two, both in the kernel. */
export type WritableDb = ReadableDb & Pick<Database.Database, 'transaction' | 'exec'> & { readonly [writable]: true }

declare const readable: unique symbol
declare const writable: unique symbol

/** How long a statement waits for a lock held by another process before it fails, in milliseconds. */
const busyTimeoutMs = 250

/** `normal` survives the death of the process; `full` survives that of the machine, and costs a disk flush a commit. */
export function openWritable(path: string, durability: 'normal' | 'full'): WritableDb & Database.Database {
  const db = new Database(path, { timeout: busyTimeoutMs })
  db.pragma('journal_mode = WAL')
  db.pragma(`synchronous = ${durability.toUpperCase()}`)
  db.pragma('foreign_keys = ON')
  // Checkpoints run in a worker (reader-pool.ts): in line they would stall the event loop at a random commit.
  db.pragma('wal_autocheckpoint = 0')
  return db as WritableDb & Database.Database
}

export function openReadable(path: string): ReadableDb & Database.Database {
  const db = new Database(path, { readonly: true, timeout: busyTimeoutMs })
  db.pragma('query_only = ON')
  return db as ReadableDb & Database.Database
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
