import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import { nicknameFor } from '#kernel/sessions/nickname.ts'
import { sessionFields } from '#kernel/sessions/session-fields.ts'
import type { WritableDb } from '#kernel/store/database.ts'
import { appendMessage, countMessages, newestMessages } from '#kernel/store/messages.ts'
import {
  archiveActiveSession,
  archiveSession,
  deleteSession,
  findSession,
  insertSession,
  loadSession,
  setNickname,
} from '#kernel/store/sessions.ts'
import { insertFinishedTurn } from '#kernel/store/turns.ts'
import type { sessionsRoutes } from '#sdk/contracts/sessions.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { newId } from '#sdk/ids.ts'

/** The scope of conversations that belong to the agent's owner. */
const ownScope = 'agent'

export const sessionsHandlers: Handlers<
  typeof sessionsRoutes,
  Pick<Context, 'store' | 'bus' | 'config' | 'turns' | 'nicknames'>
> = {
  async listSessions({ query, reply }, { store }) {
    const { agent_id, status, q, order, limit, offset, has_flight_records } = query
    const filter = { agent_id, status, q, has_turns: has_flight_records }
    const [sessions, total] = await Promise.all([
      store.pool.run('listSessions', { filter, order, limit, offset }),
      store.pool.run('countSessions', filter),
    ])
    reply.header('x-total-count', total)
    return { sessions, total, limit, offset }
  },

  createSession({ body }, { store, bus, config }) {
    const agent_id = body.agent_id ?? config.current().agent.id
    const scope_key = body.scope ?? ownScope
    const { archived, session } = store.write.transaction(() => ({
      archived: archiveActiveSession(store.write, agent_id, scope_key),
      session: insertSession(store.write, { agent_id, scope_key, nickname: body.nickname, metadata: body.metadata }),
    }))()
    if (archived) bus.publish('session_archived', sessionFields(archived))
    bus.publish('session_created', sessionFields(session))
    return { ...session, session_id: session.id }
  },

  getSession: ({ params }, { store }) => loadSession(store.read, params.id),

  deleteSession({ params }, { store, bus, turns }) {
    const session = loadSession(store.read, params.id)
    for (const { live } of turns.ofSession(session.id)) live.cancel('The session was deleted')
    deleteSession(store.write, session.id)
    bus.publish('session_deleted', sessionFields(session))
    return { deleted: true, id: session.id }
  },

  archiveSession({ params }, { store, bus }) {
    loadSession(store.read, params.id)
    const session = archiveSession(store.write, params.id)
    bus.publish('session_archived', sessionFields(session))
    return { id: session.id, status: 'archived' }
  },

  listMessages({ params, query, reply }, { store }) {
    const { limit, offset, before } = query
    const messages = newestMessages(store.read, params.id, { limit, offset, before })
    const total = countMessages(store.read, params.id)
    const oldest = messages[0]
    const has_more =
      oldest !== undefined &&
      newestMessages(store.read, params.id, { limit: 1, offset: 0, before: oldest.id }).length > 0
    reply.header('x-total-count', total)
    return { messages, has_more, total, limit, offset }
  },

  appendMessage({ params, body }, { store, bus }) {
    if (!findSession(store.read, params.id)) throw new RuntimeError('not_found', `session ${params.id} not found`)
    // Clients pair the n-th assistant message with the n-th turn.
    const turn_id = body.role === 'assistant' ? newId() : null
    const message = store.durable.transaction(() => {
      const appended = appendMessage(store.durable, {
        session_id: params.id,
        role: body.role,
        content: body.content,
        turn_id,
      })
      if (turn_id !== null) {
        insertFinishedTurn(store.durable, {
          id: turn_id,
          session_id: params.id,
          user_message_id: null,
          assistant_message_id: appended.id,
          status: 'appended',
          model: null,
        })
      }
      if (body.role === 'user') nameSession(store.durable, params.id, body.content)
      return appended
    })()
    bus.publish('message_appended', {
      session_id: params.id,
      message_id: message.id,
      role: message.role,
      ...(turn_id === null ? {} : { turn_id }),
      created_at: message.created_at,
    })
    return { message_id: message.id, id: message.id }
  },

  backfillNicknames: (_, { nicknames }) => nicknames.backfill(),
}

function nameSession(db: WritableDb, id: string, text: string): void {
  if (loadSession(db, id).nickname === null) setNickname(db, id, nicknameFor(text), 'heuristic')
}
