import { type ReadableDb, sql, type WritableDb } from './database.ts'

/** Small facts about this installation that outlive a restart, such as the operator's model override. */
export type IdentityKey = 'model_override' | 'build' | 'memory_consolidated'

export function findIdentity(db: ReadableDb, key: IdentityKey): string | undefined {
  return (sql(db, 'SELECT value FROM identity WHERE key = ?').get(key) as { value: string } | undefined)?.value
}

export function setIdentity(db: WritableDb, key: IdentityKey, value: string | null): void {
  if (value === null) sql(db, 'DELETE FROM identity WHERE key = ?').run(key)
  else sql(db, 'INSERT OR REPLACE INTO identity (key, value) VALUES (?, ?)').run(key, value)
}
