import type { SessionRow } from '#kernel/store/sessions.ts'
import type { EventFields } from '#sdk/events.ts'

/** What the events about a session tell of it. */
export function sessionFields({
  id,
  agent_id,
  scope_key,
  nickname,
  status,
  updated_at,
}: SessionRow): EventFields<'session_updated'> {
  return { session_id: id, agent_id, scope_key, nickname, status, updated_at }
}
