import { RuntimeError } from '#sdk/errors.ts'
import { newId, timestamp } from '#sdk/ids.ts'
import type { CronTrigger } from '#sdk/services/scheduler.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export type CronRunStatus = 'waiting' | 'running' | 'success' | 'error' | 'cancelled' | 'skipped'

export interface CronRunRow {
  id: string
  job_id: string
  status: CronRunStatus
  trigger: CronTrigger
  /** When it was due. */
  scheduled_for: string
  /** Of a skipped one: the last of those that it stands for, and how many they are. */
  missed_until: string | null
  missed_count: number | null
  /** How often it was taken. */
  attempt: number
  not_before: string | null
  lease_holder: string | null
  lease_expires_at: string | null
  turn_id: string | null
  session_id: string | null
  /** 1: what may not be done twice was begun. */
  begun: 0 | 1
  duration_ms: number | null
  error: string | null
  output_text: string | null
  created_at: string
  started_at: string | null
  finished_at: string | null
}

export interface NewRun extends Pick<CronRunRow, 'job_id' | 'trigger' | 'scheduled_for'> {
  status: 'waiting' | 'skipped' | 'cancelled'
  /** Why one that never runs does not. */
  error?: string
  missed_until?: string
  missed_count?: number
}

/** Undefined where the occurrence has a run already. */
export function insertCronRun(db: WritableDb, run: NewRun): CronRunRow | undefined {
  const now = timestamp()
  return sql(
    db,
    `INSERT INTO cron_runs
       (id, job_id, status, trigger, scheduled_for, missed_until, missed_count, error, created_at, finished_at)
     VALUES
       (@id, @job_id, @status, @trigger, @scheduled_for, @missed_until, @missed_count, @error, @now, @finished_at)
     ON CONFLICT DO NOTHING RETURNING *`,
  ).get({
    missed_until: null,
    missed_count: null,
    error: null,
    ...run,
    id: newId(),
    now,
    finished_at: run.status === 'waiting' ? null : now,
  }) as CronRunRow | undefined
}

export function findCronRun(db: ReadableDb, id: string): CronRunRow | undefined {
  return sql(db, 'SELECT * FROM cron_runs WHERE id = ?').get(id) as CronRunRow | undefined
}

export function loadCronRun(db: ReadableDb, id: string): CronRunRow {
  const run = findCronRun(db, id)
  if (!run) throw new RuntimeError('not_found', `cron run ${id} not found`)
  return run
}

export interface CronRunFilter {
  /** Of the time for which they were due, both inclusive. */
  from: string | null
  to: string | null
  job_id: string | null
  /** null: all that are over. */
  status: CronRunStatus | null
  limit: number
}

/** Newest first, with the names of their jobs. */
export function listCronRuns(db: ReadableDb, filter: CronRunFilter): (CronRunRow & { job_name: string })[] {
  const { from, to, job_id, status, limit } = filter
  const terms = [
    ...(from === null ? [] : ['r.scheduled_for >= @from']),
    ...(to === null ? [] : ['r.scheduled_for <= @to']),
    ...(job_id === null ? [] : ['r.job_id = @job_id']),
    status === null ? `r.status NOT IN ('waiting', 'running')` : 'r.status = @status',
  ]
  const text = `SELECT r.*, j.name AS job_name FROM cron_runs r JOIN cron_jobs j ON j.id = r.job_id
    WHERE ${terms.join(' AND ')} ORDER BY r.created_at DESC, r.rowid DESC LIMIT @limit`
  return sql(db, text).all({ from, to, job_id, status, limit }) as (CronRunRow & { job_name: string })[]
}

/** Those of a job that wait or are under way. */
export function listActiveRuns(db: ReadableDb, jobId: string): CronRunRow[] {
  const text = `SELECT * FROM cron_runs WHERE job_id = ? AND status IN ('waiting', 'running')
    ORDER BY scheduled_for, rowid`
  return sql(db, text).all(jobId) as CronRunRow[]
}

/** Whether a run of the job was due at this time, however it was begun. */
export function hasRunFor(db: ReadableDb, jobId: string, scheduledFor: string): boolean {
  // Through the time: a job may have had many runs.
  const text = 'SELECT 1 FROM cron_runs WHERE scheduled_for = ? AND +job_id = ?'
  return sql(db, text).get(scheduledFor, jobId) !== undefined
}

/** False where the run is gone. */
export function setRunTurn(
  db: WritableDb,
  id: string,
  { turn_id, session_id }: { turn_id: string | null; session_id: string },
): boolean {
  const text = `UPDATE cron_runs SET turn_id = @turn_id, session_id = @session_id WHERE id = @id AND status = 'running'`
  return sql(db, text).run({ id, turn_id, session_id }).changes === 1
}

/** True for the one attempt that may do what may not be done twice. */
export function beginOnce(db: WritableDb, id: string): boolean {
  return (
    sql(db, `UPDATE cron_runs SET begun = 1 WHERE id = ? AND begun = 0 AND status = 'running'`).run(id).changes === 1
  )
}

/** Removes up to `limit` runs that were over before then; returns how many. */
export function pruneRuns(db: WritableDb, before: string, limit: number): number {
  const text = `DELETE FROM cron_runs WHERE id IN (
    SELECT id FROM cron_runs WHERE created_at < @before AND finished_at < @before ORDER BY created_at LIMIT @limit)`
  return sql(db, text).run({ before, limit }).changes
}

/** Removes up to `limit` runs of a job that are not under way; returns how many. */
export function deleteRunsOfJob(db: WritableDb, jobId: string, limit: number): number {
  const text = `DELETE FROM cron_runs WHERE id IN (
    SELECT id FROM cron_runs WHERE job_id = ? AND status <> 'running' LIMIT ?)`
  return sql(db, text).run(jobId, limit).changes
}

export function countRunsUnderWay(db: ReadableDb): number {
  return (sql(db, `SELECT count(*) AS n FROM cron_runs WHERE status = 'running'`).get() as { n: number }).n
}
