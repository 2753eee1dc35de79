import type { z } from 'zod'
import type { memoryLine } from '#sdk/contracts/memory.ts'
import { searchTerms } from '#sdk/search-terms.ts'
import type { MemoryTier } from '#sdk/services/memory-entry.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'
import { type MemoryChange, type MemoryRow, requireContent } from './memories.ts'

export type MemoryLine = z.infer<typeof memoryLine>

const lineColumns = `id, tier, category, key, name, content, importance, confidence, mentions, successes, failures,
  state, state_reason, superseded_by, agent_id, scope_key, session_id, turn_id, message_id, source, trusted,
  created_at, updated_at`

/** The text of one page, in bytes, after which it is full. */
const maxPageBytes = 4 * 1_048_576

/** What one entry is to the outside: its place in the database stays behind. */
export function toLine({ seq: _seq, search_terms: _terms, trusted, ...row }: MemoryRow): MemoryLine {
  return { ...row, trusted: trusted === 1 }
}

/** In the order in which entries came to be. `next` is null with the last page. */
export function exportMemories(
  db: ReadableDb,
  { tier, after, limit }: { tier?: MemoryTier | undefined; after: number; limit: number },
): { lines: MemoryLine[]; next: number | null } {
  const ofTier = tier === undefined ? '' : 'AND +tier = @tier'
  const text = `SELECT * FROM memories WHERE seq > @after ${ofTier} ORDER BY seq LIMIT @limit`
  const rows = sql(db, text).iterate({ after, limit: limit + 1, ...(tier !== undefined && { tier }) })
  const lines: MemoryLine[] = []
  let bytes = 0
  let next: number | null = null
  let last = after
  for (const row of rows as IterableIterator<MemoryRow>) {
    if (lines.length === limit || bytes > maxPageBytes) {
      next = last
      break
    }
    lines.push(toLine(row))
    bytes += Buffer.byteLength(row.content)
    last = row.seq
  }
  return { lines, next }
}

/** Takes up a line as it is. Undefined where its id, or the active value of its key, is there already. */
export function importMemory(db: WritableDb, line: MemoryLine): MemoryChange | undefined {
  const content = requireContent(line.content)
  const changed = sql(
    db,
    `INSERT INTO memories (${lineColumns}, search_terms)
     VALUES (@id, @tier, @category, @key, @name, @content, @importance, @confidence, @mentions, @successes, @failures,
       @state, @state_reason, @superseded_by, @agent_id, @scope_key, @session_id, @turn_id, @message_id, @source,
       @trusted, @created_at, @updated_at, @search_terms)
     ON CONFLICT DO NOTHING RETURNING seq, id, tier, category, session_id`,
  ).get({
    ...line,
    content,
    trusted: line.trusted ? 1 : 0,
    search_terms: searchTerms(`${content} ${line.key ?? ''} ${line.name ?? ''}`),
  }) as Omit<MemoryChange, 'op' | 'textChanged' | 'retired'> | undefined
  return changed && { ...changed, op: 'insert', textChanged: true, retired: line.state !== 'active' }
}
