import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { Approvals } from '#kernel/approvals/approvals.ts'
import type { EventBus } from '#kernel/events/bus.ts'
import type { Store } from '#kernel/store/store.ts'

/** The desk on which requests wait, closed with the test. */
export function openApprovals(store: Store, bus: EventBus, timeoutSeconds = 300): Approvals {
  const log = pino({ enabled: false })
  const approvals = new Approvals({ store, bus, log, timeoutSeconds: () => timeoutSeconds })
  onTestFinished(() => approvals.close())
  return approvals
}
