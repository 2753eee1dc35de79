import type { MemoryTier } from '#sdk/services/memory-entry.ts'

/** Which entries may be found. */
export interface Filter {
  agent_id: string
  /** null: of all conversations of the agent. */
  scope_key: string | null
  /** Empty: all. */
  tiers: readonly MemoryTier[]
  category: string | null
  session_id: string | null
}

/** The filter over `memories AS m`, with the names of the filter's own fields for its values. */
export function conditions({ scope_key, tiers, category, session_id }: Filter): string {
  return [
    "m.state = 'active'",
    'm.agent_id = @agent_id',
    ...(scope_key === null ? [] : ['m.scope_key = @scope_key']),
    ...(tiers.length === 0 ? [] : ['m.tier IN (SELECT value FROM json_each(@tiers))']),
    ...(category === null ? [] : ['m.category = @category']),
    ...(session_id === null ? [] : ['m.session_id = @session_id']),
  ].join(' AND ')
}

export function values({ agent_id, scope_key, tiers, category, session_id }: Filter) {
  return { agent_id, scope_key, tiers: JSON.stringify(tiers), category, session_id }
}

/** Whether it leaves few entries of many: those of one session, or of one person's conversations. */
export function isNarrow({ scope_key, session_id }: Filter): boolean {
  return scope_key !== null || session_id !== null
}
