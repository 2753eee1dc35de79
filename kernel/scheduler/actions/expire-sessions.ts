import { setImmediate as nextRound } from 'node:timers/promises'
import { sessionFields } from '#kernel/sessions/session-fields.ts'
import { expireSessions as expireBatch } from '#kernel/store/sessions.ts'
import { timestamp } from '#sdk/ids.ts'
import type { ActionDeps, Attempt, PayloadOf } from './action.ts'

/** Sessions closed in one transaction: the event loop waits for it. */
const batchSize = 50

/** Closes the sessions that nobody has used for so long. */
export async function expireSessions(
  { ttl_seconds }: PayloadOf<'expire_sessions'>,
  { signal }: Attempt,
  { store, bus }: Pick<ActionDeps, 'store' | 'bus'>,
): Promise<string> {
  const before = timestamp(Date.now() - ttl_seconds * 1000)
  let expired = 0
  for (let size = batchSize; size === batchSize; await nextRound()) {
    signal.throwIfAborted()
    const sessions = expireBatch(store.write, before, batchSize)
    for (const session of sessions) bus.publish('session_updated', sessionFields(session))
    size = sessions.length
    expired += size
  }
  return `expired ${expired} session(s)`
}
