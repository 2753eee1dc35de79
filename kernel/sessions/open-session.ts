import type { Config } from '#kernel/config/schema.ts'
import type { WritableDb } from '#kernel/store/database.ts'
import {
  findActiveSession,
  findSession,
  insertSession,
  reactivateSession,
  type SessionRow,
} from '#kernel/store/sessions.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { resolveScope } from './scope.ts'

/** How a message says which conversation it belongs to. */
export interface SessionAddress {
  session_id?: string | undefined
  /** The scope, where the way in knows it whatever `session.scope_mode` says. */
  scope_key?: string | undefined
  channel?: string | undefined
  sender_id?: string | undefined
  peer_id?: string | undefined
  group_id?: string | undefined
  is_group?: boolean | undefined
}

/** The session that is named, or the active one of the sender's scope, made when there is none. */
export function openSessionFor(
  db: WritableDb,
  address: SessionAddress,
  config: Config,
): { session: SessionRow; created: boolean } {
  if (address.session_id !== undefined) {
    const session = findSession(db, address.session_id)
    if (!session) throw new RuntimeError('not_found', 'session not found')
    if (session.agent_id !== config.agent.id)
      throw new RuntimeError('forbidden', 'session does not belong to this agent')
    reactivateSession(db, session)
    return { session, created: false }
  }
  const scope_key = address.scope_key ?? resolveScope({ ...address, scope_mode: config.session.scope_mode })
  const active = findActiveSession(db, config.agent.id, scope_key)
  if (active) return { session: active, created: false }
  return { session: insertSession(db, { agent_id: config.agent.id, scope_key }), created: true }
}
