import type { MemoryTier } from '#sdk/services/memory-entry.ts'
import { type ReadableDb, sql } from './database.ts'

/*
 * What is remembered, as people page through it. All of it grows with the memory, and runs on the reader pool.
 */

export interface ListWindow {
  limit: number
  offset: number
}

export interface ListOf<T> {
  entries: T[]
  total: number
}

export interface WorkingRow {
  id: string
  session_id: string
  entry_type: string
  content: string
  importance: number
  created_at: string
}

export interface EpisodicRow {
  id: string
  classification: string
  content: string
  importance: number
  created_at: string
}

export interface SemanticRow {
  id: string
  category: string
  key: string
  value: string
  confidence: number
  created_at: string
  updated_at: string
}

export interface ProceduralRow {
  id: string
  category: string
  name: string
  steps: string
  success_count: number
  failure_count: number
  created_at: string
  updated_at: string
}

export interface RelationshipRow {
  id: string
  category: string
  entity_id: string
  entity_name: string | null
  trust_score: number
  interaction_summary: string
  interaction_count: number
  last_interaction: string
  created_at: string
}

const workingColumns =
  "id, coalesce(session_id, '') AS session_id, category AS entry_type, content, importance, created_at"
const semanticColumns = "id, category, coalesce(key, '') AS key, content AS value, confidence, created_at, updated_at"

export function listWorking(db: ReadableDb, window: ListWindow): ListOf<WorkingRow> {
  const where = `tier = 'working' AND state = 'active'`
  return page(db, { columns: workingColumns, where, order: byImportance }, window)
}

export function listSessionWorking(
  db: ReadableDb,
  { session_id, include_dropped, ...window }: ListWindow & { session_id: string; include_dropped: boolean },
): ListOf<WorkingRow & { state: 'active' | 'dropped'; state_reason: string | null }> {
  const states = include_dropped ? `('active', 'dropped')` : `('active')`
  // Through its session: the other index would go through those of all the others.
  const where = `session_id = @session_id AND +tier = 'working' AND +state IN ${states}`
  const columns = `${workingColumns}, state, state_reason`
  return page(db, { columns, where, order: byImportance }, window, { session_id })
}

export function listEpisodic(
  db: ReadableDb,
  {
    session_id,
    classification,
    ...window
  }: ListWindow & { session_id?: string | undefined; classification?: string | undefined },
): ListOf<EpisodicRow> {
  const values = {
    ...(session_id !== undefined && { session_id }),
    ...(classification !== undefined && { classification }),
  }
  const where = [
    session_id === undefined ? `tier = 'episodic'` : `session_id = @session_id AND +tier = 'episodic'`,
    `state = 'active'`,
    ...(classification === undefined ? [] : ['category = @classification']),
  ].join(' AND ')
  const columns = 'id, category AS classification, content, importance, created_at'
  return page(db, { columns, where, order: byImportance }, window, values)
}

export function listSemantic(
  db: ReadableDb,
  { category, ...window }: ListWindow & { category?: string | undefined },
): ListOf<SemanticRow> {
  const where = `tier = 'semantic' AND state = 'active'`
  const list = { columns: semanticColumns, order: 'confidence DESC, updated_at DESC, seq' }
  // Left to itself SQLite takes an index of more columns, and sorts all that it finds there.
  if (category === undefined) return page(db, { ...list, where, by: 'INDEXED BY memories_best_known' }, window)
  return page(db, { ...list, where: `${where} AND category = @category` }, window, { category })
}

export function listSemanticCategories(db: ReadableDb): { category: string; count: number }[] {
  const text = `SELECT category, count(*) AS count FROM memories WHERE tier = 'semantic' AND state = 'active'
    GROUP BY category ORDER BY count DESC, category`
  return sql(db, text).all() as { category: string; count: number }[]
}

export function listProcedural(db: ReadableDb, window: ListWindow): ListOf<ProceduralRow> {
  const columns = `id, category, coalesce(key, name, '') AS name, content AS steps, successes AS success_count,
    failures AS failure_count, created_at, updated_at`
  const order = 'successes + failures DESC, updated_at DESC, seq'
  return page(db, { columns, where: `tier = 'procedural' AND state = 'active'`, order }, window)
}

export function listRelationships(db: ReadableDb, window: ListWindow): ListOf<RelationshipRow> {
  const columns = `id, category, coalesce(key, id) AS entity_id, name AS entity_name, confidence AS trust_score,
    content AS interaction_summary, mentions AS interaction_count, updated_at AS last_interaction, created_at`
  const order = 'mentions DESC, updated_at DESC, seq'
  return page(db, { columns, where: `tier = 'relationship' AND state = 'active'`, order }, window)
}

export type MemoryCounts = Record<MemoryTier, { active: number; superseded: number; dropped: number }>

/** Of everything, or of one agent and one scope. */
export function countMemories(db: ReadableDb, owner: { agent_id: string; scope_key: string } | null): MemoryCounts {
  const where = owner ? 'WHERE agent_id = @agent_id AND scope_key = @scope_key' : ''
  const text = `SELECT tier, state, count(*) AS count FROM memories ${where} GROUP BY tier, state`
  const rows = (owner ? sql(db, text).all(owner) : sql(db, text).all()) as {
    tier: MemoryTier
    state: 'active' | 'superseded' | 'dropped'
    count: number
  }[]
  const none = () => ({ active: 0, superseded: 0, dropped: 0 })
  const counts = { working: none(), episodic: none(), semantic: none(), procedural: none(), relationship: none() }
  for (const { tier, state, count } of rows) counts[tier][state] = count
  return counts
}

/** Ends as its index does, so that what is equal has one order on every page. */
const byImportance = 'importance DESC, created_at DESC, seq'

function page<T>(
  db: ReadableDb,
  { columns, where, order, by = '' }: { columns: string; where: string; order: string; by?: string },
  { limit, offset }: ListWindow,
  values: Record<string, string> = {},
): ListOf<T> {
  const { total } = sql(db, `SELECT count(*) AS total FROM memories WHERE ${where}`).get(values) as { total: number }
  const entries = sql(
    db,
    `SELECT ${columns} FROM memories ${by} WHERE ${where} ORDER BY ${order} LIMIT @limit OFFSET @offset`,
  ).all({ ...values, limit, offset }) as T[]
  return { entries, total }
}
