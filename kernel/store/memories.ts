import { RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import { redactText } from '#sdk/redact.ts'
import { searchTerms } from '#sdk/search-terms.ts'
import { type MemoryChanges, memoryBounds, type NewMemory } from '#sdk/services/memory.ts'
import type { MemoryTier } from '#sdk/services/memory-entry.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface MemoryRow extends Omit<NewMemory, 'trusted' | 'owner'> {
  seq: number
  search_terms: string
  trusted: 0 | 1
  state: 'active' | 'superseded' | 'dropped'
  state_reason: string | null
  superseded_by: string | null
  agent_id: string
  scope_key: string
  session_id: string | null
  turn_id: string | null
  created_at: string
  updated_at: string
}

/** Where memories are from: whose they are, and which turn they were made of. */
export interface MemoryOrigin {
  agent_id: string
  scope_key: string
  session_id: string | null
  turn_id: string | null
  /** When it was; now, unless it is told of an earlier time. */
  at?: string
}

export interface MemoryChange {
  op: 'insert' | 'update' | 'delete'
  seq: number
  id: string
  tier: MemoryTier
  category: string
  session_id: string | null
  /** Its text is new, and so are its place in the index and its vector. */
  textChanged: boolean
  /** It stays as history, and is found and recalled no more. */
  retired: boolean
}

type Changed = Omit<MemoryChange, 'op' | 'textChanged' | 'retired'>
const changedColumns = 'seq, id, tier, category, session_id'

export function findMemory(db: ReadableDb, id: string): MemoryRow | undefined {
  return sql(db, 'SELECT * FROM memories WHERE id = ?').get(id) as MemoryRow | undefined
}

export function loadMemory(db: ReadableDb, id: string): MemoryRow {
  const row = findMemory(db, id)
  if (!row) throw new RuntimeError('not_found', `memory ${id} not found`)
  return row
}

/** The entries whose place it took, newest first. */
export function listSuperseded(db: ReadableDb, id: string): MemoryRow[] {
  return sql(db, 'SELECT * FROM memories WHERE superseded_by = ? ORDER BY updated_at DESC, seq DESC').all(
    id,
  ) as MemoryRow[]
}

/** All of it or nothing; the caller's transaction is part of it. Secrets are taken out of every text. */
export function applyMemoryChanges(db: WritableDb, origin: MemoryOrigin, changes: MemoryChanges): MemoryChange[] {
  return db.transaction(() => {
    const made: MemoryChange[] = []
    // What gives way goes first: a value may take its place only once it is free.
    for (const { id, by, reason } of changes.supersede) made.push(...setState(db, id, 'superseded', reason, by))
    for (const { id, reason } of changes.drop) made.push(...setState(db, id, 'dropped', reason, null))
    for (const memory of changes.add) made.push(insertMemory(db, origin, memory))
    for (const change of changes.update) made.push(...updateMemory(db, change))
    for (const id of changes.remove) made.push(...deleteMemory(db, id))
    return made
  })()
}

/** Where the same key has an active value already, that one is renewed: said twice, it is kept once. */
export function insertMemory(db: WritableDb, origin: MemoryOrigin, memory: NewMemory): MemoryChange {
  const at = origin.at ?? timestamp()
  const content = requireContent(memory.content)
  const row = sql(
    db,
    `INSERT INTO memories (id, tier, category, key, name, content, search_terms, importance, confidence, mentions,
       successes, failures, agent_id, scope_key, session_id, turn_id, message_id, source, trusted, created_at, updated_at)
     VALUES (@id, @tier, @category, @key, @name, @content, @search_terms, @importance, @confidence, @mentions,
       @successes, @failures, @agent_id, @scope_key, @session_id, @turn_id, @message_id, @source, @trusted, @at, @at)
     ON CONFLICT (agent_id, scope_key, tier, category, key) WHERE state = 'active' AND key IS NOT NULL DO UPDATE SET
       content = excluded.content, search_terms = excluded.search_terms, name = coalesce(excluded.name, name),
       importance = max(importance, excluded.importance), confidence = excluded.confidence,
       mentions = mentions + excluded.mentions, successes = successes + excluded.successes,
       failures = failures + excluded.failures, source = excluded.source, trusted = excluded.trusted,
       session_id = excluded.session_id, turn_id = excluded.turn_id, message_id = excluded.message_id,
       updated_at = excluded.updated_at
     RETURNING ${changedColumns}, id <> @id AS renewed`,
  ).get({
    ...memory,
    ...origin,
    ...memory.owner,
    content,
    search_terms: termsOf(memory, content),
    trusted: memory.trusted ? 1 : 0,
    at,
  }) as Changed & { renewed: 0 | 1 }
  const { renewed, ...changed } = row
  return { ...changed, op: renewed ? 'update' : 'insert', textChanged: true, retired: false }
}

export function updateMemory(db: WritableDb, { id, ...change }: MemoryChanges['update'][number]): MemoryChange[] {
  const row = findMemory(db, id)
  if (!row) return []
  const next = { ...row, ...change, content: requireContent(change.content ?? row.content) }
  const changed = sql(
    db,
    `UPDATE memories SET content = @content, search_terms = @search_terms, name = @name, importance = @importance,
       confidence = @confidence, mentions = @mentions, successes = @successes, failures = @failures, updated_at = @at
     WHERE id = @id RETURNING ${changedColumns}`,
  ).get({ ...next, search_terms: termsOf(next, next.content), at: timestamp() }) as Changed
  return [{ ...changed, op: 'update', textChanged: next.content !== row.content, retired: false }]
}

/** Its text leaves the table, the index and the vectors with it. */
export function deleteMemory(db: WritableDb, id: string): MemoryChange[] {
  const changed = sql(db, `DELETE FROM memories WHERE id = ? RETURNING ${changedColumns}`).get(id) as
    | Changed
    | undefined
  return changed ? [{ ...changed, op: 'delete', textChanged: true, retired: false }] : []
}

function setState(
  db: WritableDb,
  id: string,
  state: MemoryRow['state'],
  reason: string,
  by: string | null,
): MemoryChange[] {
  const changed = sql(
    db,
    `UPDATE memories SET state = ?, state_reason = ?, superseded_by = ?, updated_at = ? WHERE id = ? RETURNING ${changedColumns}`,
  ).get(state, reason, by, timestamp(), id) as Changed | undefined
  return changed ? [{ ...changed, op: 'update', textChanged: false, retired: true }] : []
}

/** Without secrets and blanks around it. `invalid` where nothing is left, or too much. */
export function requireContent(text: string): string {
  const content = redactText(text).trim()
  if (content === '') throw new RuntimeError('invalid', 'content must not be empty')
  if (Buffer.byteLength(content) > memoryBounds.contentBytes)
    throw new RuntimeError('invalid', `content exceeds max length (${memoryBounds.contentBytes})`)
  return content
}

function termsOf({ key, name }: Pick<NewMemory, 'key' | 'name'>, content: string): string {
  return searchTerms(`${content} ${key ?? ''} ${name ?? ''}`)
}
