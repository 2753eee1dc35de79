import type { EventBus } from '#kernel/events/bus.ts'
import { recordExecutedModel, recordSelection } from '#kernel/store/selections.ts'
import { loadSession, setSessionModel } from '#kernel/store/sessions.ts'
import type { Store } from '#kernel/store/store.ts'
import { findStep, saveStep } from '#kernel/store/turn-steps.ts'
import { loadTurn, requireCurrentAttempt, turnRequest as storedRequest } from '#kernel/store/turns.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { CallContext, Client, Params, Result } from '#sdk/service.ts'
import type { InferenceChunk, inferenceService, Selection } from '#sdk/services/inference.ts'
import type { kernelForAgent } from '#sdk/services/kernel.ts'
import { activeSpan } from '#sdk/telemetry/tracing.ts'
import { type TurnRequest, turnRequest } from './turn-request.ts'

type InferMethod = (typeof kernelForAgent)['methods']['infer']

/** How long a step that is done waits for a database that takes no writes, in milliseconds. */
const storeWaitMs = 10_000

export interface InferStepDeps {
  store: Store
  bus: EventBus
  inference: Client<typeof inferenceService>
}

/** One call to a model, on record before it is made and with its result after. A finished step is answered from the record. */
export async function inferStep(
  { turn_id, attempt, seq, request }: Params<InferMethod>,
  { signal, emit }: CallContext<InferMethod>,
  { store, bus, inference }: InferStepDeps,
): Promise<Result<InferMethod>> {
  requireCurrentAttempt(store.read, turn_id, attempt)
  const known = findStep(store.read, turn_id, seq)?.step
  if (known && known.kind !== 'inference')
    throw new RuntimeError('conflict', `step ${seq} of turn ${turn_id} is a ${known.kind}`)
  if (known?.result) return known.result
  saveStep(store.write, turn_id, attempt, { kind: 'inference', seq, status: 'started', result: null })

  const { session_id } = loadTurn(store.read, turn_id)
  activeSpan()?.set({ 'gen_ai.conversation.id': session_id, 'keel.turn.id': turn_id, 'keel.turn.step': seq })
  const accepted = turnRequest.parse(JSON.parse(storedRequest(store.read, turn_id)))
  const workplace = { agent_id: accepted.agent_id, workstation: 'llm' as const, session_id, turn_id }
  let selectionId: string | undefined

  async function relay(chunk: InferenceChunk) {
    if (chunk.type === 'selected') {
      selectionId = announceSelection({ store, bus }, { turn_id, session_id, accepted, selection: chunk.selection })
      bus.publish('agent_working', { ...workplace, activity: 'inference', model: chunk.selection.selected_model })
    }
    await emit(chunk)
  }

  try {
    const result = await inference.complete(
      {
        ...request,
        turn_id,
        purpose: 'turn',
        cache_scope: accepted.use_cache ? cacheScope(store, session_id) : null,
        account: { ...accepted.account, session_id },
      },
      { signal, onChunk: relay },
    )
    const close = store.write.transaction(() => {
      requireCurrentAttempt(store.write, turn_id, attempt)
      saveStep(store.write, turn_id, attempt, { kind: 'inference', seq, status: 'done', result })
      if (selectionId) recordExecutedModel(store.write, selectionId, result.model)
    })
    // The answer is paid for: it is not asked for again because the disk was full for a moment.
    await store.insist(close, storeWaitMs, signal)
    if (result.model !== result.selected_model) {
      bus.publish('model_shift', {
        turn_id,
        session_id,
        channel: accepted.channel,
        selected_model: result.selected_model,
        executed_model: result.model,
        reason: result.cached ? 'cache_hit' : 'fallback',
      })
    }
    return result
  } finally {
    bus.publish('agent_idle', workplace)
  }
}

/** Answers are shared between the sessions of one agent and one scope: never between two people. */
function cacheScope(store: Store, sessionId: string): string {
  const { agent_id, scope_key } = loadSession(store.read, sessionId)
  return `${agent_id}/${scope_key}`
}

function announceSelection(
  { store, bus }: Pick<InferStepDeps, 'store' | 'bus'>,
  {
    turn_id,
    session_id,
    accepted,
    selection,
  }: { turn_id: string; session_id: string; accepted: TurnRequest; selection: Selection },
): string {
  const event = store.write.transaction(() => {
    setSessionModel(store.write, session_id, selection.selected_model)
    return recordSelection(store.write, {
      turn_id,
      session_id,
      agent_id: accepted.agent_id,
      channel: accepted.channel,
      user_text: accepted.model_text,
      selection,
    })
  })()
  const {
    event_id,
    agent_id: _agent,
    user_excerpt: _excerpt,
    executed_model: _executed,
    fallback: _fallback,
    grade: _grade,
    ...fields
  } = event
  bus.publish('model_selection', fields)
  return event_id
}
