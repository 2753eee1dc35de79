import { timestamp } from '#sdk/ids.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

/** Rows of sealed bytes; what is inside them only the sealed store can tell. */
export function findSealed(db: ReadableDb, name: string): Buffer | undefined {
  return (sql(db, 'SELECT sealed FROM secrets WHERE name = ?').get(name) as { sealed: Buffer } | undefined)?.sealed
}

export function saveSealed(db: WritableDb, name: string, sealed: Buffer): void {
  sql(db, 'INSERT OR REPLACE INTO secrets (name, sealed, updated_at) VALUES (?, ?, ?)').run(name, sealed, timestamp())
}

export function deleteSealed(db: WritableDb, name: string): boolean {
  return sql(db, 'DELETE FROM secrets WHERE name = ?').run(name).changes > 0
}

export function listSealedNames(db: ReadableDb): string[] {
  return (sql(db, 'SELECT name FROM secrets ORDER BY name').all() as { name: string }[]).map(({ name }) => name)
}
