import { schedule } from 'node-cron'
import type { Logger } from 'pino'
import { timestamp } from '#sdk/ids.ts'
import { dayOf } from './budgets/places.ts'
import type { Channels } from './channels/channels.ts'
import type { Memory } from './memory/memory.ts'
import type { Retention } from './retention/retention.ts'
import { pruneBudgets } from './store/budgets.ts'
import { pruneCache } from './store/inference-state.ts'
import type { Store } from './store/store.ts'

const everyTenMinutes = '*/10 * * * *'
/** A tick that comes late, because the machine slept, runs all the same unless the next one is there, in milliseconds. */
const lateMs = 600_000

/** How long the accounts of past days are kept, in milliseconds, and how many of each kind go at once. */
const keepBudgetsMs = 35 * 86_400_000
const budgetsAtOnce = 500

/** What must be tidied now and then. Returns the way to stop. */
export function startHousekeeping({
  store,
  memory,
  channels,
  retention,
  log,
}: {
  store: Pick<Store, 'write'>
  memory: Pick<Memory, 'tidy'>
  channels: Pick<Channels, 'tidy'>
  retention: Pick<Retention, 'tidy'>
  log: Logger
}): () => void {
  function tidy() {
    try {
      const expired = pruneCache(store.write)
      if (expired > 0) log.debug({ expired }, 'expired answers were removed from the cache')
      const day = dayOf(timestamp(Date.now() - keepBudgetsMs))
      const closed = pruneBudgets(store.write, { day, limit: budgetsAtOnce })
      if (closed > 0) log.debug({ closed }, 'old accounts of budgets were removed')
      memory.tidy()
      channels.tidy()
      retention.tidy()
    } catch (err) {
      log.warn({ err }, 'housekeeping failed')
    }
  }
  const task = schedule(everyTenMinutes, tidy, {
    name: 'housekeeping',
    noOverlap: true,
    missedExecutionTolerance: lateMs,
    // In a zone with summer time the repeated hour would pass without a tick.
    timezone: 'UTC',
    suppressMissedWarning: true,
    logger: log,
  })
  return () => void task.destroy()
}
