import type { ReadableDb } from '#kernel/store/database.ts'
import { loadSession } from '#kernel/store/sessions.ts'
import type { Store } from '#kernel/store/store.ts'
import { loadTurn, requireCurrentAttempt, turnRequest as storedRequest } from '#kernel/store/turns.ts'
import { turnRequest } from '#kernel/turns/turn-request.ts'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import type { CallContext, Client, Params } from '#sdk/service.ts'
import type { Authority } from '#sdk/services/agent.ts'
import type { kernelForAgent } from '#sdk/services/kernel.ts'
import type { memoryService, Recalled } from '#sdk/services/memory.ts'
import { activeSpan } from '#sdk/telemetry/tracing.ts'

type RecallMethod = (typeof kernelForAgent)['methods']['recall']

/** How long a turn may be held up by its memory, in milliseconds. */
const patienceMs = 1_500

export interface MemoryOwner {
  agent_id: string
  scope_key: string | null
}

/** The agent's owner is reminded of everything; anybody else of what was said in their own conversations. */
export function ownerFor(authority: Authority, agent_id: string, scope_key: string): MemoryOwner {
  return { agent_id, scope_key: authority === 'Creator' ? null : scope_key }
}

/** Whose memory a caller in this session may look into. A caller without one speaks for the agent's own scope. */
export function ownerInSession(
  db: ReadableDb,
  { authority, session_id }: { authority: Authority; session_id: string | null },
  agent_id: string,
): MemoryOwner {
  return ownerFor(authority, agent_id, scopeOf(db, session_id))
}

export function scopeOf(db: ReadableDb, sessionId: string | null): string {
  return sessionId === null ? 'agent' : loadSession(db, sessionId).scope_key
}

/** What bears on a turn's message. A memory that does not answer in time is `unavailable`: the turn goes on without. */
export async function recallForTurn(
  { turn_id, attempt, budget_tokens, shown_message_ids }: Params<RecallMethod>,
  { signal }: Pick<CallContext<RecallMethod>, 'signal'>,
  { store, service }: { store: Pick<Store, 'read'>; service: () => Pick<Client<typeof memoryService>, 'recall'> },
): Promise<Recalled> {
  requireCurrentAttempt(store.read, turn_id, attempt)
  const { session_id } = loadTurn(store.read, turn_id)
  const { agent_id, authority, model_text } = turnRequest.parse(JSON.parse(storedRequest(store.read, turn_id)))
  const owner = ownerFor(authority, agent_id, scopeOf(store.read, session_id))
  const request = { ...owner, session_id, text: model_text, budget_tokens, shown_message_ids, now: timestamp() }
  try {
    const recalled = await service().recall(request, { signal, timeoutMs: patienceMs })
    activeSpan()?.set({ 'gen_ai.conversation.id': session_id, 'keel.memory.entries': recalled.entries.length })
    return recalled
  } catch (thrown) {
    if (!isErrorOf(thrown, 'timeout')) throw thrown
    throw new RuntimeError('unavailable', `the memory did not answer within ${patienceMs} ms`, undefined, {
      cause: thrown,
    })
  }
}
