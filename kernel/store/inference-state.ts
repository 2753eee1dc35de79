import { timestamp } from '#sdk/ids.ts'
import { type SavedBreaker, savedBreaker } from '#sdk/services/inference.ts'
import { type CacheEntry, cacheEntry } from '#sdk/services/kernel.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export function listBreakers(db: ReadableDb): SavedBreaker[] {
  const rows = sql(db, 'SELECT breaker_json FROM breakers').all() as { breaker_json: string }[]
  return rows.map((row) => savedBreaker.parse(JSON.parse(row.breaker_json)))
}

export function saveBreaker(db: WritableDb, breaker: SavedBreaker): void {
  sql(db, 'INSERT OR REPLACE INTO breakers (provider, breaker_json, updated_at) VALUES (?, ?, ?)').run(
    breaker.provider,
    JSON.stringify(breaker),
    timestamp(),
  )
}

/** The newest `limit` cached answers that have not expired. */
export function listCacheEntries(db: ReadableDb, limit: number): CacheEntry[] {
  const rows = sql(
    db,
    'SELECT key, scope, result_json, embedding, expires_at FROM semantic_cache WHERE expires_at > ? ORDER BY created_at DESC LIMIT ?',
  ).all(timestamp(), limit) as {
    key: string
    scope: string
    result_json: string
    embedding: Buffer | null
    expires_at: string
  }[]
  return rows.map(({ result_json, embedding, ...row }) =>
    cacheEntry.parse({ ...row, result: JSON.parse(result_json), embedding: embedding && floatsOf(embedding) }),
  )
}

export function saveCacheEntry(db: WritableDb, entry: CacheEntry): void {
  sql(
    db,
    'INSERT OR REPLACE INTO semantic_cache (key, scope, result_json, embedding, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)',
  ).run(
    entry.key,
    entry.scope,
    JSON.stringify(entry.result),
    entry.embedding && bytesOf(entry.embedding),
    timestamp(),
    entry.expires_at,
  )
}

export function pruneCache(db: WritableDb): number {
  return sql(db, 'DELETE FROM semantic_cache WHERE expires_at <= ?').run(timestamp()).changes
}

export function clearCache(db: WritableDb): void {
  sql(db, 'DELETE FROM semantic_cache').run()
}

function bytesOf(vector: number[]): Buffer {
  return Buffer.from(new Float32Array(vector).buffer)
}

function floatsOf(bytes: Buffer): number[] {
  return Array.from(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / Float32Array.BYTES_PER_ELEMENT))
}
