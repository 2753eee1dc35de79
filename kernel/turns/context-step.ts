import type { z } from 'zod'
import type { EventBus } from '#kernel/events/bus.ts'
import type { Store } from '#kernel/store/store.ts'
import { findStep, saveContextSnapshot, saveStep } from '#kernel/store/turn-steps.ts'
import { loadTurn, requireCurrentAttempt, turnRequest as storedRequest } from '#kernel/store/turns.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { kernelForAgent } from '#sdk/services/kernel.ts'
import { turnRequest } from './turn-request.ts'

type SavedContext = z.output<(typeof kernelForAgent)['methods']['saveContext']['params']>

/** Keeps what the model will be shown, before it is. Decided once a turn: a second plan for the same step is refused. */
export function contextStep(
  { turn_id, attempt, seq, plan }: SavedContext,
  { store: { write }, bus }: { store: Pick<Store, 'write'>; bus: EventBus },
): null {
  requireCurrentAttempt(write, turn_id, attempt)
  if (findStep(write, turn_id, seq))
    throw new RuntimeError('conflict', `step ${seq} of turn ${turn_id} is on record already`)
  write.transaction(() => {
    saveStep(write, turn_id, attempt, { kind: 'context', seq, plan })
    saveContextSnapshot(write, turn_id, plan)
  })()
  if (plan.skills.length > 0) {
    const { session_id } = loadTurn(write, turn_id)
    const { agent_id } = turnRequest.parse(JSON.parse(storedRequest(write, turn_id)))
    for (const { name: skill, reason } of plan.skills)
      bus.publish('skill_activated', { agent_id, skill, tool_name: null, turn_id, session_id, reason })
  }
  return null
}
