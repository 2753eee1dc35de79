import { jobDefaults, scheduleFields } from '#kernel/scheduler/job-input.ts'
import {
  type Claimed,
  claimOccurrences,
  type Deliver,
  finishRun,
  type RunEnd,
  takeRuns,
} from '#kernel/store/cron-claims.ts'
import { type CronJobFields, type CronJobRow, insertCronJob, loadCronJob } from '#kernel/store/cron-jobs.ts'
import { type CronRunRow, listCronRuns } from '#kernel/store/cron-runs.ts'
import type { Store } from '#kernel/store/store.ts'
import { timestamp } from '#sdk/ids.ts'
import type { ClaimPlan } from '#sdk/services/scheduler.ts'

export const hourMs = 3_600_000
export const leaseMs = 60_000
/** When jobs of these tests are due for the first time. */
export const firstDue = Date.parse('2031-05-01T10:00:00.000Z')

export const nowhere: Deliver = () => null

/** A job that is due each hour, and says nothing of itself but what a test says. */
export function jobFields(given: Partial<CronJobFields> = {}): CronJobFields {
  return {
    ...jobDefaults,
    name: 'A job',
    description: null,
    agent_id: 'keel',
    ...scheduleFields({ kind: 'every', every_ms: hourMs }, '1h', 'UTC'),
    payload_json: '{"action":"noop"}',
    authority: 'Creator',
    next_run_at: timestamp(firstDue),
    ...given,
  }
}

export function addJob(store: Pick<Store, 'write'>, given: Partial<CronJobFields> = {}): CronJobRow {
  return insertCronJob(store.write, { ...jobFields(given), created_by: 'api' })
}

/** The plan of a scheduler for the job as it is: these occurrences run, and an hour after the last it is due again. */
export function planFor(
  { read }: Pick<Store, 'read'>,
  jobId: string,
  { runs, ...given }: Partial<Omit<ClaimPlan, 'runs'>> & { runs?: number[] } = {},
): ClaimPlan {
  const { revision, next_run_at } = loadCronJob(read, jobId)
  const expected_next = Date.parse(next_run_at ?? '')
  const due = runs ?? [expected_next]
  return {
    job_id: jobId,
    revision,
    expected_next,
    runs: due.map((scheduled_for) => ({ scheduled_for, trigger: 'schedule' })),
    missed: null,
    next_run_at: Math.max(expected_next, ...due) + hourMs,
    ...given,
  }
}

export function claim({ durable }: Pick<Store, 'durable'>, ...plans: ClaimPlan[]): Claimed {
  return claimOccurrences(durable, plans)
}

export function take(
  { durable }: Pick<Store, 'durable'>,
  { now = firstDue, holder = 'one', limit = 50 }: { now?: number; holder?: string; limit?: number } = {},
): { run: CronRunRow; job: CronJobRow }[] {
  return takeRuns(durable, { holder, now: timestamp(now), until: timestamp(now + leaseMs), limit })
}

export function finish(
  { durable }: Pick<Store, 'durable'>,
  { id: run_id, attempt, lease_holder }: CronRunRow,
  end: Partial<RunEnd> = {},
  deliver: Deliver = nowhere,
) {
  const held = { run_id, attempt, holder: lease_holder ?? '' }
  const success = { status: 'success', output: 'done', error: null, finished_at: timestamp(firstDue + 1_500) } as const
  return finishRun(durable, held, { ...success, ...end }, deliver)
}

/** All runs of a job as `status@hours after the first`, in the order in which they were due. */
export function runsOf({ read }: Pick<Store, 'read'>, jobId: string): string[] {
  const statuses = ['waiting', 'running', 'success', 'error', 'cancelled', 'skipped'] as const
  const runs = statuses.flatMap((status) =>
    listCronRuns(read, { from: null, to: null, job_id: jobId, status, limit: 1_000 }),
  )
  return runs
    .sort((left, right) => (left.scheduled_for < right.scheduled_for ? -1 : 1))
    .map(({ status, scheduled_for }) => `${status}@${(Date.parse(scheduled_for) - firstDue) / hourMs}`)
}
