import { latestUpTo, nextAfter } from '#sdk/schedule/occurrences.ts'
import {
  type CatchUpPolicy,
  type ClaimPlan,
  type DueJob,
  type SchedulerSettings,
  schedulerBounds,
} from '#sdk/services/scheduler.ts'

/** Occurrences of one job that are looked at, the latest first; of those before them it is known that they are more. */
export const walkedOccurrences = 1_000

type PlanSettings = Pick<SchedulerSettings, 'catch_up_window_ms'>

/**
 * What becomes of a due job's occurrences up to `now`. The latest one runs if it is on time. Those before it were
 * missed: none of them runs, or the latest if no other runs, or each, as far as the window and the bound go. The rest
 * is one row that says why.
 */
export function planOf(job: DueJob, now: number, settings: PlanSettings): ClaimPlan {
  const { schedule, next_run_at } = job
  const { due, more } = dueUpTo(job, now)
  const [latest = next_run_at] = due
  const isOnTime = now - latest <= schedulerBounds.graceMs
  const missed = isOnTime ? due.slice(1) : due
  const inWindow = missed.filter((at) => now - at <= settings.catch_up_window_ms)
  const caughtUp = inWindow.slice(0, catchUps(job.catch_up, isOnTime))
  const runs: ClaimPlan['runs'] = caughtUp.toReversed().map((at) => ({ scheduled_for: at, trigger: 'catch_up' }))
  if (isOnTime) runs.push({ scheduled_for: latest, trigger: 'schedule' })
  const reason = () => reasonFor(job.catch_up, { isOnTime, isLate: inWindow.length === 0, settings })
  return {
    ...planFor(job),
    runs,
    missed: missedRow(missed.slice(caughtUp.length), { next_run_at, more, reason }),
    next_run_at: nextAfter(schedule, now, next_run_at),
  }
}

/** Of a job whose schedule cannot be read: it is never due again, and its row says so. */
export function unreadablePlan(job: DueJob, problem: string): ClaimPlan {
  const { next_run_at: at } = job
  const missed = { first: at, last: at, count: 1, reason: `the schedule cannot be read: ${problem}` }
  return { ...planFor(job), runs: [], missed, next_run_at: null }
}

/**
 * Of a job whose next time lies further ahead than the next of its schedule, for the clock was set back: it begins
 * anew. What had run before that is not run again, as each occurrence is claimed once; an interval therefore leaves
 * its old grid, or it would be silent until the clock is where it was. null: it is as it should be.
 */
export function restartedPlan(job: DueJob, now: number): ClaimPlan | null {
  const { schedule, next_run_at } = job
  const next = nextAfter(schedule, now)
  if (schedule.kind === 'once' || next === null || next >= next_run_at) return null
  const isOnOldGrid = schedule.kind === 'every' && (next_run_at - next) % schedule.every_ms === 0
  return { ...planFor(job), runs: [], missed: null, next_run_at: isOnOldGrid ? next - 1 : next }
}

function planFor({ id, revision, next_run_at }: DueJob) {
  return { job_id: id, revision, expected_next: next_run_at }
}

/** The latest first, and whether there are more. The time the job waited for is one, whatever its schedule says. */
function dueUpTo({ schedule, next_run_at }: DueJob, now: number): { due: number[]; more: boolean } {
  const due: number[] = []
  for (const at of latestUpTo(schedule, now, next_run_at)) {
    if (at <= next_run_at) break
    if (due.length === walkedOccurrences) return { due, more: true }
    due.push(at)
  }
  due.push(next_run_at)
  return { due, more: false }
}

function catchUps(policy: CatchUpPolicy, isOnTime: boolean): number {
  switch (policy) {
    case 'skip':
      return 0
    case 'once':
      return isOnTime ? 0 : 1
    case 'all':
      return schedulerBounds.catchUps
  }
}

interface Rest {
  next_run_at: number
  more: boolean
  reason: () => string
}

function missedRow(rest: number[], { next_run_at, more, reason }: Rest): ClaimPlan['missed'] {
  const last = rest[0]
  if (last === undefined) return null
  const many = more ? `more than ${rest.length} were missed; ` : ''
  return { first: next_run_at, last, count: rest.length, reason: `${many}${reason()}` }
}

interface Circumstances {
  isOnTime: boolean
  /** None of the missed ones lies within the window. */
  isLate: boolean
  settings: PlanSettings
}

function reasonFor(policy: CatchUpPolicy, { isOnTime, isLate, settings }: Circumstances): string {
  if (policy === 'skip') return 'missed, and not to be caught up'
  if (policy === 'once' && isOnTime) return 'missed; the one that is due now stands for them'
  const window = `${settings.catch_up_window_ms / 3_600_000} h`
  if (isLate) return `missed longer ago than ${window}`
  if (policy === 'once') return 'missed; the last one is caught up and stands for them'
  return `missed; at most ${schedulerBounds.catchUps} of the last ${window} are caught up`
}
