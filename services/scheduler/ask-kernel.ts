import { isErrorOf } from '#sdk/errors.ts'
import { schedulerBounds } from '#sdk/services/scheduler.ts'
import type { SchedulerContext } from './context.ts'

const firstPauseMs = 1_000

/** How long to wait before the kernel is asked again, after so many failures in a row. */
export function pauseAfter(failures: number): number {
  return Math.min(schedulerBounds.sleepMs, firstPauseMs * 2 ** (failures - 1))
}

/** Asks again for as long as the kernel is not there or does not answer. null: the signal was aborted before it did. */
export async function askUntilAnswered<T>(
  ask: () => Promise<T>,
  { clock, log }: Pick<SchedulerContext, 'clock' | 'log'>,
  signal: AbortSignal,
): Promise<T | null> {
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      return await ask()
    } catch (err) {
      if (!isErrorOf(err, 'unavailable', 'timeout')) throw err
      log.warn({ err }, 'the kernel did not answer; it is asked again')
      await clock.sleep(pauseAfter(failures), signal)
    }
  }
  return null
}
