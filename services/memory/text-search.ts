import { conditions, type Filter, values } from './filter.ts'
import type { Scored } from './neighbours.ts'
import type { QueryText } from './query-text.ts'
import { type Reading, sql } from './reading.ts'

/** Hits that are ranked further. */
const maxHits = 200
/** Weights of the columns: content, category, key, name, search_terms. */
const columns = '1.0, 0.3, 1.5, 1.0, 1.0'
/** What has all words counts so much more than what has some. */
const allWords = 1.15
/** What is taken unranked is ranked by its age alone. */
const unranked = 0.1

export interface TextScope {
  filter: Filter
  /** Of the sequence numbers that can pass the filter, so that others are not ranked; null for all. */
  range: { from: number; to: number } | null
}

/** The entries that the words of a text find, the best first. */
export function searchText(db: Reading, query: QueryText, scope: TextScope): Scored[] {
  if (query.any === null) return []
  if (query.newestOnly) return newest(db, query.all ?? query.any, scope)
  const some = ranked(db, query.any, scope)
  if (query.all === null) return some
  const whole = new Map(ranked(db, query.all, scope).map((hit) => [hit.seq, hit]))
  const merged = new Map([...some, ...whole.values()].map((hit) => [hit.seq, hit]))
  return [...merged.values()]
    .map((hit) => (whole.has(hit.seq) ? { ...hit, score: hit.score * allWords } : hit))
    .sort((left, right) => right.score - left.score)
    .slice(0, maxHits)
}

function ranked(db: Reading, match: string, scope: TextScope): Scored[] {
  // Ordered by rank inside the index: a row of the table is read for a hit alone, until enough of them pass.
  return sql(
    db,
    `SELECT m.seq, -f.rank AS score FROM memory_fts AS f
     CROSS JOIN memories AS m ON m.seq = f.rowid
     WHERE memory_fts MATCH @match AND f.rank MATCH 'bm25(${columns})' ${within(scope)} AND ${conditions(scope.filter)}
     ORDER BY f.rank LIMIT ${maxHits}`,
  ).all(parameters(match, scope)) as Scored[]
}

function newest(db: Reading, match: string, scope: TextScope): Scored[] {
  const rows = sql(
    db,
    `SELECT m.seq FROM memory_fts AS f CROSS JOIN memories AS m ON m.seq = f.rowid
     WHERE memory_fts MATCH @match ${within(scope)} AND ${conditions(scope.filter)}
     ORDER BY f.rowid DESC LIMIT ${maxHits}`,
  ).all(parameters(match, scope)) as Omit<Scored, 'score'>[]
  return rows.map((row, at) => ({ ...row, score: unranked * (1 - at / maxHits) }))
}

function within({ range }: TextScope): string {
  return range ? 'AND f.rowid BETWEEN @from AND @to' : ''
}

function parameters(match: string, { filter, range }: TextScope) {
  return { ...values(filter), match, from: range?.from ?? 0, to: range?.to ?? 0 }
}

/** Between which sequence numbers everything that passes lies; null where the filter does not say. */
export function rangeOf(db: Reading, { session_id, agent_id, scope_key }: Filter): TextScope['range'] {
  if (session_id === null && scope_key === null) return null
  const where = session_id === null ? 'agent_id = @agent_id AND scope_key = @scope_key' : 'session_id = @session_id'
  const range = sql(db, `SELECT min(seq) AS "from", max(seq) AS "to" FROM memories WHERE ${where}`).get({
    session_id,
    agent_id,
    scope_key,
  }) as { from: number | null; to: number | null }
  return { from: range.from ?? 0, to: range.to ?? 0 }
}
