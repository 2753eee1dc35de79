import type { Store } from '#kernel/store/store.ts'
import { findStep, saveContextSnapshot, saveStep } from '#kernel/store/turn-steps.ts'
import { requireCurrentAttempt } from '#kernel/store/turns.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { Params } from '#sdk/service.ts'
import type { kernelForAgent } from '#sdk/services/kernel.ts'

/** Keeps what the model will be shown, before it is. Decided once a turn: a second plan for the same step is refused. */
export function contextStep(
  { turn_id, attempt, seq, plan }: Params<(typeof kernelForAgent)['methods']['saveContext']>,
  { write }: Pick<Store, 'write'>,
): null {
  requireCurrentAttempt(write, turn_id, attempt)
  if (findStep(write, turn_id, seq))
    throw new RuntimeError('conflict', `step ${seq} of turn ${turn_id} is on record already`)
  write.transaction(() => {
    saveStep(write, turn_id, attempt, { kind: 'context', seq, plan })
    saveContextSnapshot(write, turn_id, plan)
  })()
  return null
}
