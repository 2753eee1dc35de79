import type { MemoryTier } from '#sdk/services/memory-entry.ts'
import { type Reading, sql } from './reading.ts'

export interface KnownRow {
  id: string
  scope_key: string
  content: string
  name: string | null
  importance: number
  confidence: number
  mentions: number
  successes: number
  failures: number
  trusted: 0 | 1
}

interface Place {
  agent_id: string
  scope_key: string
  tier: MemoryTier
  category: string
  key: string
}

const columns = 'id, scope_key, content, name, importance, confidence, mentions, successes, failures, trusted'
/** Scopes of one agent that are looked through for the same key. */
const maxScopes = 200

/** The one active value of a key. */
export function activeByKey(db: Reading, place: Place): KnownRow | undefined {
  return sql(
    db,
    `SELECT ${columns} FROM memories
     WHERE agent_id = @agent_id AND scope_key = @scope_key AND tier = @tier AND category = @category AND key = @key
       AND state = 'active'`,
  ).get(place) as KnownRow | undefined
}

/** The agent's scopes that have keyed entries, each found by one step in the index. */
export function scopesOf(db: Reading, agentId: string): string[] {
  const rows = sql(
    db,
    `WITH RECURSIVE scopes (scope) AS (
       SELECT min(scope_key) FROM memories WHERE agent_id = @agent AND state = 'active' AND key IS NOT NULL
       UNION ALL
       SELECT (SELECT min(scope_key) FROM memories
               WHERE agent_id = @agent AND scope_key > scope AND state = 'active' AND key IS NOT NULL)
       FROM scopes WHERE scope IS NOT NULL
     )
     SELECT scope FROM scopes WHERE scope IS NOT NULL LIMIT @limit`,
  ).all({ agent: agentId, limit: maxScopes }) as { scope: string }[]
  return rows.map(({ scope }) => scope)
}
