import { setImmediate as nextRound } from 'node:timers/promises'
import { pruneRuns as pruneBatch } from '#kernel/store/cron-runs.ts'
import { timestamp } from '#sdk/ids.ts'
import type { ActionDeps, Attempt, PayloadOf } from './action.ts'

const dayMs = 86_400_000
/** Runs removed in one transaction: the event loop waits for it. */
const batchSize = 200

/** Removes the runs of all jobs that were over so long ago. */
export async function pruneRuns(
  { older_than_days }: PayloadOf<'prune_runs'>,
  { signal }: Attempt,
  { store }: Pick<ActionDeps, 'store'>,
): Promise<string> {
  const before = timestamp(Date.now() - older_than_days * dayMs)
  let removed = 0
  for (let size = batchSize; size === batchSize; await nextRound()) {
    signal.throwIfAborted()
    size = pruneBatch(store.write, before, batchSize)
    removed += size
  }
  return `removed ${removed} run(s)`
}
