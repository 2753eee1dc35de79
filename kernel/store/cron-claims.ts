import { timestamp } from '#sdk/ids.ts'
import { type ClaimPlan, schedulerBounds } from '#sdk/services/scheduler.ts'
import {
  type CronJobRow,
  type DueRow,
  findCronJob,
  listDueJobs,
  loadCronJob,
  nextJobAt,
  pauseCronJob,
  recordLastRun,
  setNextRun,
} from './cron-jobs.ts'
import { type CronRunRow, hasRunFor, insertCronRun, listActiveRuns } from './cron-runs.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

/*
 * What becomes of runs: each function is one transaction, after which all of it holds or nothing. Whoever claims, takes
 * or finishes holds the only lock: of two who do the same at once, the second finds it done.
 */

/** After so many errors in a row a job is paused. */
const maxErrorsInRow = 10
/** Leases that are freed in one transaction. */
const maxLapses = 50

/** What has happened to a run, for those who listen. */
export interface RunNews {
  what: 'started' | 'retrying' | 'finished' | 'skipped' | 'announced' | 'job_paused'
  run: CronRunRow
  job: CronJobRow
}

/**
 * Hands on what a run has brought, as part of the transaction that records it. Returns why it can not, or null; `key`
 * is the same whenever the same is handed on.
 */
export type Deliver = (message: { channel: string; text: string; key: string }, db: WritableDb) => string | null

/** Why another run of the job is not taken on beside these, or null. */
export function overlapRefusal(
  { overlap }: Pick<CronJobRow, 'overlap'>,
  active: readonly Pick<CronRunRow, 'status'>[],
): string | null {
  if (overlap === 'forbid' && active.length > 0) return 'an earlier run is under way'
  const waiting = active.filter(({ status }) => status === 'waiting').length
  return overlap !== 'replace' && waiting >= schedulerBounds.queue ? 'the queue is full' : null
}

export interface Claimed {
  /** Plans that held. */
  claimed: number
  /** Runs whose place was taken. */
  replaced: CronRunRow[]
  news: RunNews[]
}

/** A plan whose job has changed since, or whose occurrences somebody else has claimed, is passed over. */
export function claimOccurrences(db: WritableDb, plans: readonly ClaimPlan[]): Claimed {
  return db.transaction(() => {
    const all: Claimed = { claimed: 0, replaced: [], news: [] }
    for (const plan of plans) {
      const job = findCronJob(db, plan.job_id)
      if (!job?.enabled || job.revision !== plan.revision) continue
      if (job.next_run_at !== timestamp(plan.expected_next)) continue
      all.news.push(...recordMissed(db, job, plan))
      const { replaced, news } = placeRuns(db, job, plan)
      all.claimed += 1
      all.replaced.push(...replaced)
      all.news.push(...news)
      setNextRun(db, job.id, plan.next_run_at === null ? null : timestamp(plan.next_run_at))
    }
    return all
  })()
}

function recordMissed(db: WritableDb, job: CronJobRow, { missed }: ClaimPlan): RunNews[] {
  if (!missed) return []
  const run = insertCronRun(db, {
    job_id: job.id,
    status: 'skipped',
    trigger: 'schedule',
    scheduled_for: timestamp(missed.first),
    missed_until: timestamp(missed.last),
    missed_count: missed.count,
    error: missed.reason,
  })
  return run ? [{ what: 'skipped', run, job }] : []
}

function placeRuns(db: WritableDb, job: CronJobRow, plan: ClaimPlan): Omit<Claimed, 'claimed'> {
  const news: RunNews[] = []
  const earlier = listActiveRuns(db, job.id)
  const active = [...earlier]
  for (const [at, { scheduled_for: due, trigger }] of plan.runs.entries()) {
    const wanted = { job_id: job.id, trigger, scheduled_for: timestamp(due) }
    // Those of one claim do not forbid each other: they run one after the other.
    const refusal = overlapRefusal(job, job.overlap === 'forbid' ? earlier : active)
    if (refusal !== null) {
      const missed = { missed_until: wanted.scheduled_for, missed_count: 1, error: refusal }
      const run = insertCronRun(db, { ...wanted, ...missed, status: 'skipped' })
      if (run) news.push({ what: 'skipped', run, job })
    } else if (job.overlap === 'replace' && at < plan.runs.length - 1) {
      const run = insertCronRun(db, { ...wanted, status: 'cancelled', error: replacedReason })
      if (run) news.push({ what: 'finished', run, job })
    } else {
      const run = insertCronRun(db, { ...wanted, status: 'waiting' })
      if (run) active.push(run)
    }
  }
  const isReplaced = job.overlap === 'replace' && active.length > earlier.length
  const replaced = isReplaced ? cancelRuns(db, earlier, replacedReason) : []
  return { replaced, news: [...news, ...replaced.map((run): RunNews => ({ what: 'finished', run, job }))] }
}

const replacedReason = 'a later run has taken its place'

function cancelRuns(db: WritableDb, runs: readonly CronRunRow[], reason: string): CronRunRow[] {
  return runs.map(
    ({ id }) =>
      sql(
        db,
        `UPDATE cron_runs SET status = 'cancelled', error = @reason, finished_at = @now, not_before = NULL,
           lease_holder = NULL, lease_expires_at = NULL
         WHERE id = @id RETURNING *`,
      ).get({ id, reason, now: timestamp() }) as CronRunRow,
  )
}

/**
 * A run beside the schedule; `due` is that of the occurrence that is run once more, and now unless told. A string says
 * why the job does not take it on.
 */
export function insertManualRun(
  db: WritableDb,
  jobId: string,
  due?: string,
): string | { run: CronRunRow; job: CronJobRow; replaced: CronRunRow[]; news: RunNews[] } {
  return db.transaction(() => {
    const job = loadCronJob(db, jobId)
    const active = listActiveRuns(db, jobId)
    const refusal = overlapRefusal(job, active)
    if (refusal !== null) return refusal
    const wanted = { job_id: jobId, trigger: 'manual', scheduled_for: due ?? freeTime(db, jobId) } as const
    const run = insertCronRun(db, { ...wanted, status: 'waiting' })
    if (!run) throw new Error('a run beside the schedule is never there before')
    const replaced = job.overlap === 'replace' ? cancelRuns(db, active, replacedReason) : []
    return { run, job, replaced, news: replaced.map((gone): RunNews => ({ what: 'finished', run: gone, job })) }
  })()
}

/** Now, or the next millisecond for which the job has no run: a time names what is done for it. */
function freeTime(db: ReadableDb, jobId: string): string {
  for (let at = Date.now(); ; at++) if (!hasRunFor(db, jobId, timestamp(at))) return timestamp(at)
}

/** How often a run may be begun. What a person asked for is theirs to ask for again. */
export function maxAttempts({ trigger }: Pick<CronRunRow, 'trigger'>, { max_retries }: CronJobRow): number {
  return trigger === 'manual' ? 1 : 1 + max_retries
}

/**
 * Frees leases by each job's policy: those that ended by a time, or by now whenever they end, or those of a holder that is
 * gone. At most fifty; whoever is told of some asks again.
 */
export function lapseLeases(
  db: WritableDb,
  which: { endedBy: string } | { holder: string; at: string },
  deliver: Deliver,
): RunNews[] {
  const [condition, value] =
    'holder' in which
      ? ['lease_holder = @value', which.holder]
      : [`(@value = 'now' OR lease_expires_at <= @value)`, which.endedBy]
  const given = 'holder' in which ? which.at : which.endedBy
  const at = given === 'now' ? timestamp() : given
  return db.transaction(() => {
    const text = `SELECT * FROM cron_runs WHERE status = 'running' AND ${condition} LIMIT @limit`
    const lost = sql(db, text).all({ value, limit: maxLapses }) as CronRunRow[]
    return lost.flatMap((run) => {
      const job = loadCronJob(db, run.job_id)
      const mayRetry = job.after_crash === 'retry' && run.attempt < maxAttempts(run, job)
      if (mayRetry) return [putBack(db, run, job, { error: crashReason, not_before: at })]
      return endRun(db, run, job, { status: 'error', output: '', error: crashReason, finished_at: at }, deliver)
    })
  })()
}

const crashReason = 'the process that ran it died'

/** Runs that may be taken: of a job that does not run beside itself, the first that waits while none runs. */
const takeable = `
  SELECT r.id FROM cron_runs r CROSS JOIN cron_jobs j ON j.id = r.job_id
  WHERE r.status = 'waiting' AND (r.not_before IS NULL OR r.not_before <= @now)
    AND (j.overlap = 'allow' OR NOT EXISTS (
      SELECT 1 FROM cron_runs o
      WHERE o.job_id = r.job_id AND o.status IN ('waiting', 'running') AND (o.status = 'running' OR
        ((o.not_before IS NULL OR o.not_before <= @now) AND (o.scheduled_for, o.rowid) < (r.scheduled_for, r.rowid)))))
  ORDER BY r.scheduled_for, r.rowid LIMIT @limit`

export interface Due {
  jobs: DueRow[]
  next_at: string | null
}

/** Up to `limit` jobs whose time has come, and when there is more to do. */
export function findDue(db: ReadableDb, now: string, limit: number): Due {
  const jobs = listDueJobs(db, now, limit)
  const { put_off, lease_end } = sql(
    db,
    `SELECT
       (SELECT min(not_before) FROM cron_runs
        WHERE status = 'waiting' AND not_before IS NOT NULL AND not_before > @now) AS put_off,
       (SELECT min(lease_expires_at) FROM cron_runs WHERE status = 'running') AS lease_end`,
  ).get({ now }) as { put_off: string | null; lease_end: string | null }
  const times = [nextJobAt(db), put_off, lease_end].filter((at) => at !== null)
  return { jobs, next_at: times.sort()[0] ?? null }
}

/** Whether a run may be taken, or a lease has ended: to hear that there is none, nobody waits for the lock. */
export function isRunWaiting(db: ReadableDb, now: string): boolean {
  const text = `SELECT EXISTS (SELECT 1 FROM cron_runs WHERE status = 'running' AND lease_expires_at <= @now)
    OR EXISTS (SELECT 1 FROM (${takeable})) AS found`
  return (sql(db, text).get({ now, limit: 1 }) as { found: 0 | 1 }).found === 1
}

/** Hands out runs that wait, oldest first, each with a lease until `until`. */
export function takeRuns(
  db: WritableDb,
  { holder, now, until, limit }: { holder: string; now: string; until: string; limit: number },
): { run: CronRunRow; job: CronJobRow }[] {
  return db.transaction(() => {
    const ids = sql(db, takeable).all({ now, limit }) as { id: string }[]
    return ids.map(({ id }) => {
      const run = sql(
        db,
        `UPDATE cron_runs SET status = 'running', attempt = attempt + 1, lease_holder = @holder,
           lease_expires_at = @until, started_at = @now, not_before = NULL, error = NULL
         WHERE id = @id RETURNING *`,
      ).get({ id, holder, until, now }) as CronRunRow
      return { run, job: loadCronJob(db, run.job_id) }
    })
  })()
}

export interface HeldRun {
  run_id: string
  attempt: number
  holder: string
}

const isHeld = `id = @run_id AND attempt = @attempt AND lease_holder = @holder AND status = 'running'`

/** The run, if this attempt of this holder is the one that may perform and record it. */
export function findHeldRun(db: ReadableDb, { run_id, attempt, holder }: HeldRun): CronRunRow | undefined {
  return sql(db, `SELECT * FROM cron_runs WHERE ${isHeld}`).get({ run_id, attempt, holder }) as CronRunRow | undefined
}

/** Returns the ids of those that are no longer the holder's. */
export function renewLeases(db: WritableDb, held: readonly HeldRun[], until: string): string[] {
  return db.transaction(() => {
    const renew = sql(db, `UPDATE cron_runs SET lease_expires_at = @until WHERE ${isHeld}`)
    return held
      .filter(({ run_id, attempt, holder }) => renew.run({ run_id, attempt, holder, until }).changes === 0)
      .map(({ run_id }) => run_id)
  })()
}

export interface RunEnd {
  status: 'success' | 'error' | 'cancelled'
  output: string
  error: string | null
  finished_at: string
  /** It waits until then and is not over, if attempts are left. */
  retry_at?: string | null
  /** The job is paused for this error at once, with this as its status. */
  pause_as?: string | null
}

/** Undefined where the run was no longer the holder's: nothing is recorded then. */
export function finishRun(db: WritableDb, held: HeldRun, end: RunEnd, deliver: Deliver): RunNews[] | undefined {
  return db.transaction(() => {
    const run = findHeldRun(db, held)
    if (!run) return undefined
    const job = loadCronJob(db, run.job_id)
    const { status, error, retry_at: not_before } = end
    if (not_before && status === 'error' && run.attempt < maxAttempts(run, job))
      return [putBack(db, run, job, { error: error ?? '', not_before })]
    return endRun(db, run, job, end, deliver)
  })()
}

function putBack(
  db: WritableDb,
  { id }: CronRunRow,
  job: CronJobRow,
  why: { error: string; not_before: string },
): RunNews {
  const run = sql(
    db,
    `UPDATE cron_runs SET status = 'waiting', error = @error, not_before = @not_before, lease_holder = NULL,
       lease_expires_at = NULL
     WHERE id = @id RETURNING *`,
  ).get({ id, ...why }) as CronRunRow
  return { what: 'retrying', run, job }
}

function endRun(db: WritableDb, run: CronRunRow, job: CronJobRow, end: RunEnd, deliver: Deliver): RunNews[] {
  const { status, output, finished_at } = end
  const { channel, problem } = announce(db, run, job, end, deliver)
  const error = problem === null ? end.error : [end.error, problem].filter((part) => part !== null).join('; ')
  const ended = sql(
    db,
    `UPDATE cron_runs SET status = @status, output_text = @output, error = @error, finished_at = @finished_at,
       duration_ms = @duration_ms, lease_holder = NULL, lease_expires_at = NULL
     WHERE id = @id RETURNING *`,
  ).get({ id: run.id, status, output, error, finished_at, duration_ms: durationOf(run, finished_at) }) as CronRunRow
  const news: RunNews[] = [{ what: 'finished', run: ended, job }]
  if (channel !== null && problem === null) news.push({ what: 'announced', run: ended, job })
  if (status === 'cancelled') return news
  const after = recordLastRun(db, job.id, {
    last_run_at: ended.started_at,
    last_status: status,
    last_duration_ms: ended.duration_ms,
    last_error: error,
  })
  const isTired = after.enabled && after.consecutive_errors >= maxErrorsInRow
  const pauseAs = end.pause_as ?? (isTired ? 'paused_errors' : null)
  return pauseAs === null ? news : [...news, ...pauseJob(db, ended, after, pauseAs)]
}

function durationOf({ started_at }: CronRunRow, finishedAt: string): number | null {
  return started_at === null ? null : Math.max(0, Date.parse(finishedAt) - Date.parse(started_at))
}

function announce(
  db: WritableDb,
  run: CronRunRow,
  job: CronJobRow,
  { status, output, error }: RunEnd,
  deliver: Deliver,
): { channel: string | null; problem: string | null } {
  const channel = job.delivery_mode === 'announce' && status !== 'cancelled' ? job.delivery_channel : null
  if (channel === null) return { channel, problem: null }
  const text = status === 'success' ? output : `${job.name} failed: ${error}`
  const reason = deliver({ channel, text, key: run.id }, db)
  return { channel, problem: reason === null ? null : `not delivered: ${reason}` }
}

/** Names what is done for an occurrence, whichever attempt does it. */
export function idempotencyKey({ job_id, scheduled_for }: Pick<CronRunRow, 'job_id' | 'scheduled_for'>): string {
  return `${job_id}@${scheduled_for}`
}

function pauseJob(db: WritableDb, run: CronRunRow, { id }: CronJobRow, status: string): RunNews[] {
  const job = pauseCronJob(db, id, status)
  const dropped = cancelWaiting(db, job, 'the job was paused')
  return [{ what: 'job_paused', run, job }, ...dropped]
}

/** Drops what the schedule has left waiting; what a person has asked for stays. */
export function cancelWaiting(db: WritableDb, job: CronJobRow, reason: string): RunNews[] {
  const waiting = listActiveRuns(db, job.id).filter(
    ({ status, trigger }) => status === 'waiting' && trigger !== 'manual',
  )
  return cancelRuns(db, waiting, reason).map((run) => ({ what: 'finished', run, job }))
}

/** Of a holder, or of all, that end in order: what is under way waits for the next one, as if it had not been begun. */
export function giveBackRuns(db: WritableDb, holder: string | null): void {
  sql(
    db,
    `UPDATE cron_runs SET status = 'waiting', attempt = attempt - 1, lease_holder = NULL, lease_expires_at = NULL,
       started_at = NULL
     WHERE status = 'running' AND (@holder IS NULL OR lease_holder = @holder)`,
  ).run({ holder })
}
