import type { Logger } from 'pino'
import type { Client } from '#sdk/service.ts'
import type { kernelForScheduler } from '#sdk/services/kernel.ts'
import type { SchedulerSettings } from '#sdk/services/scheduler.ts'
import type { Clock } from './clock.ts'

/** What the parts of the scheduler share. */
export interface SchedulerContext {
  kernel: Client<typeof kernelForScheduler>
  log: Logger
  clock: Clock
  /** The name under which this process holds leases; no other process has ever had it. */
  holder: string
  /** Replaced as a whole where they change. */
  settings: SchedulerSettings
  /** Aborted when the process is to end. */
  closing: AbortSignal
}
