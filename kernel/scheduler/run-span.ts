import type { CronJobRow } from '#kernel/store/cron-jobs.ts'
import type { CronRunRow } from '#kernel/store/cron-runs.ts'
import type { Span } from '#sdk/telemetry/span.ts'
import { rootSpan } from '#sdk/telemetry/tracing.ts'
import { actionOf, isKnownAction } from './payload.ts'

/** A try of a run as the beginning of a trace, from now or from when it was taken. */
export function runSpan(job: CronJobRow, run: CronRunRow, startedAt?: number): Span {
  const action = actionOf(job)
  const attributes = {
    'keel.cron.job_id': job.id,
    'keel.cron.run_id': run.id,
    'keel.cron.attempt': run.attempt,
    'keel.cron.action': isKnownAction(action) ? action : undefined,
  }
  return rootSpan('cron run', { attributes, ...(startedAt !== undefined && { startedAt }) })
}
