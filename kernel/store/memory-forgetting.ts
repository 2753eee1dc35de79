import type { MemoryTier } from '#sdk/services/memory-entry.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface ForgettableRow {
  id: string
  tier: MemoryTier
  content: string
}

export interface Forgettable {
  ids: string[]
  /** The first of them, to be shown. */
  shown: ForgettableRow[]
}

const maxShown = 100
const maxShownCharacters = 200

/** Scripts whose words the text index can not tell apart. */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
const wordCharacter = /[\p{L}\p{N}]/u

/** Everything that came of a session, whatever its state. */
export function findOfSession(db: ReadableDb, sessionId: string): Forgettable {
  return gather(sql(db, 'SELECT id, tier, content FROM memories WHERE session_id = ? ORDER BY seq').iterate(sessionId))
}

/** Everything that names the subject as a phrase, whatever its state. */
export function findNaming(db: ReadableDb, subject: string): Forgettable {
  if (unspaced.test(subject) || !wordCharacter.test(subject)) {
    const text = `SELECT id, tier, content FROM memories
      WHERE instr(lower(content), @part) > 0 OR instr(lower(key), @part) > 0 OR instr(lower(name), @part) > 0 ORDER BY seq`
    return gather(sql(db, text).iterate({ part: subject.trim().toLowerCase() }))
  }
  // The category names no subject: who forgets "work" does not mean all that is filed under it.
  const text = `SELECT id, tier, content FROM memories
    WHERE seq IN (SELECT rowid FROM memory_fts WHERE memory_fts MATCH ?) ORDER BY seq`
  return gather(sql(db, text).iterate(`{content key name} : "${subject.replaceAll('"', '""')}"`))
}

/** The entry, and the earlier ones whose place it took. */
export function withHistory(db: ReadableDb, id: string): string[] {
  const text = `WITH RECURSIVE past (id) AS (
      VALUES (?) UNION SELECT memories.id FROM memories JOIN past ON memories.superseded_by = past.id
    ) SELECT id FROM past`
  return (sql(db, text).all(id) as { id: string }[]).map(({ id }) => id)
}

/** Turns of a session that wait to be remembered are not. */
export function dropIngestOfSession(db: WritableDb, sessionId: string): void {
  sql(db, 'DELETE FROM memory_ingest WHERE turn_id IN (SELECT id FROM turns WHERE session_id = ?)').run(sessionId)
}

/** The same for turns in whose words the subject is named. */
export function dropIngestNaming(db: WritableDb, subject: string): void {
  sql(
    db,
    `DELETE FROM memory_ingest WHERE turn_id IN (
       SELECT t.id FROM memory_ingest i JOIN turns t ON t.id = i.turn_id
       JOIN session_messages m ON m.id IN (t.user_message_id, t.assistant_message_id)
       WHERE instr(lower(m.content), ?) > 0)`,
  ).run(subject.trim().toLowerCase())
}

function gather(rows: IterableIterator<unknown>): Forgettable {
  const ids: string[] = []
  const shown: ForgettableRow[] = []
  for (const row of rows as IterableIterator<ForgettableRow>) {
    ids.push(row.id)
    if (shown.length < maxShown) shown.push({ ...row, content: row.content.slice(0, maxShownCharacters) })
  }
  return { ids, shown }
}
