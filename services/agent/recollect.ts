import { isErrorOf, toRuntimeError } from '#sdk/errors.ts'
import type { Client } from '#sdk/service.ts'
import type { TurnJob } from '#sdk/services/agent.ts'
import type { kernelForAgent } from '#sdk/services/kernel.ts'
import { roomForMemory } from './context.ts'
import type { Recollection } from './memory.ts'

const noRoom = 'the context has no room for memory'

/** Asks what is remembered that bears on a turn. A turn without its memory is better than none: it is told why. */
export async function recollect(
  job: TurnJob,
  now: number,
  {
    kernel,
    signal,
    timeoutMs,
  }: { kernel: Pick<Client<typeof kernelForAgent>, 'recall'>; signal: AbortSignal; timeoutMs: number },
): Promise<Recollection> {
  const room = roomForMemory(job, now)
  if (room.budget_tokens <= 0) return { unavailable: noRoom }
  try {
    return await kernel.recall({ turn_id: job.turn_id, attempt: job.attempt, ...room }, { signal, timeoutMs })
  } catch (thrown) {
    signal.throwIfAborted()
    // Another process has the turn by now.
    if (isErrorOf(thrown, 'conflict')) throw thrown
    return {
      unavailable: isErrorOf(thrown, 'timeout') ? 'memory did not answer in time' : toRuntimeError(thrown).message,
    }
  }
}
