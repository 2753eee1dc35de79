import Database from 'better-sqlite3'

/** The database, for reading alone: the kernel is its one writer. */
export type Reading = Database.Database

/** How long a statement waits for a lock, in milliseconds. */
const timeoutMs = 1_000
/** Of the file, in bytes, read as if it were memory. */
const mappedBytes = 256 * 1024 * 1024

export function openReading(path: string): Reading {
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: timeoutMs })
  db.pragma('query_only = ON')
  db.pragma(`mmap_size = ${mappedBytes}`)
  return db
}

const statements = new WeakMap<Reading, Map<string, Database.Statement>>()

/** A prepared statement, compiled once for each connection. */
export function sql(db: Reading, text: string): Database.Statement {
  const prepared = statements.get(db) ?? new Map<string, Database.Statement>()
  statements.set(db, prepared)
  const statement = prepared.get(text) ?? db.prepare(text)
  prepared.set(text, statement)
  return statement
}
