import type { Logger } from 'pino'
import { newId } from '#sdk/ids.ts'
import type { ServiceSetup } from '#sdk/rpc/run-service.ts'
import type { Client } from '#sdk/service.ts'
import type { kernelForScheduler } from '#sdk/services/kernel.ts'
import type { schedulerService } from '#sdk/services/scheduler.ts'
import { type Clock, systemClock } from './clock.ts'
import type { SchedulerContext } from './context.ts'
import { Loop } from './loop.ts'
import { RunsUnderWay } from './runs-under-way.ts'

/** Builds the service from the settings that the kernel holds, and begins to keep the time. */
export async function createScheduler(
  kernel: Client<typeof kernelForScheduler>,
  log: Logger,
  clock: Clock = systemClock,
): Promise<ServiceSetup<typeof schedulerService>> {
  const closing = new AbortController()
  const holder = newId()
  const settings = await kernel.start({ holder, pid: process.pid })
  const context: SchedulerContext = { kernel, log, clock, holder, settings, closing: closing.signal }
  const runs = new RunsUnderWay(context, () => loop.wake())
  const loop = new Loop(context, runs)
  const looping = loop.run()
  return {
    handlers: {
      configure(changed) {
        context.settings = changed
        runs.reschedule()
        loop.wake()
        return null
      },
      status: () => ({ holder: context.holder, running: runs.ids, next_wake_at: loop.nextWakeAt }),
      wake() {
        loop.wake()
        return null
      },
    },
    /** What is under way ends without a report: the kernel gives it to whoever comes next. */
    async close() {
      closing.abort()
      await Promise.all([looping, runs.close()])
      await kernel
        .release({ holder })
        .catch((err) => log.debug({ err }, 'the kernel is gone; it takes the runs back itself'))
    },
  }
}
