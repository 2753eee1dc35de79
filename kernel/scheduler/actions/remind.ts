import { setRunTurn } from '#kernel/store/cron-runs.ts'
import { appendMessage } from '#kernel/store/messages.ts'
import { findActiveSession, findSession } from '#kernel/store/sessions.ts'
import { insertFinishedTurn } from '#kernel/store/turns.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { newId } from '#sdk/ids.ts'
import type { ActionDeps, Attempt, PayloadOf } from './action.ts'

/** Says it once in the conversation in which it was asked for, or in the one that has taken its place. */
export function remind(
  { text, session_id }: PayloadOf<'remind'>,
  { run }: Attempt,
  { store, bus }: Pick<ActionDeps, 'store' | 'bus'>,
): string {
  if (run.turn_id !== null) return text
  const { durable } = store
  const turn_id = newId()
  const message = durable.transaction(() => {
    const asked = findSession(durable, session_id)
    if (!asked) throw new RuntimeError('not_found', `session ${session_id} not found`)
    const current = asked.status === 'active' ? asked : findActiveSession(durable, asked.agent_id, asked.scope_key)
    const { id } = current ?? asked
    const appended = appendMessage(durable, {
      session_id: id,
      role: 'assistant',
      content: `Reminder: ${text}`,
      turn_id,
    })
    insertFinishedTurn(durable, {
      id: turn_id,
      session_id: id,
      user_message_id: null,
      assistant_message_id: appended.id,
      status: 'appended',
      model: null,
    })
    if (!setRunTurn(durable, run.id, { turn_id, session_id: id }))
      throw new RuntimeError('conflict', `cron run ${run.id} is over`)
    return appended
  })()
  const { id: message_id, role, created_at } = message
  bus.publish('message_appended', { session_id: message.session_id, message_id, role, turn_id, created_at })
  return text
}
