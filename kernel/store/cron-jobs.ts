import { RuntimeError } from '#sdk/errors.ts'
import { newId, timestamp } from '#sdk/ids.ts'
import type { Schedule } from '#sdk/schedule/schedule.ts'
import type { Authority } from '#sdk/services/agent.ts'
import type { CatchUpPolicy, CrashPolicy, OverlapPolicy } from '#sdk/services/scheduler.ts'
import { type ReadableDb, sql, type WritableDb } from './database.ts'

export interface CronJobRow {
  id: string
  name: string
  description: string | null
  enabled: boolean
  schedule_kind: Schedule['kind']
  schedule_expr: string | null
  schedule_every_ms: number | null
  schedule_tz: string
  /** A `Schedule`, as JSON text. */
  schedule_json: string
  agent_id: string
  session_target: 'main' | 'isolated'
  payload_json: string
  delivery_mode: 'none' | 'announce'
  delivery_channel: string | null
  catch_up: CatchUpPolicy
  overlap: OverlapPolicy
  after_crash: CrashPolicy
  max_retries: number
  timeout_seconds: number
  /** The most that its runs may do. */
  authority: Authority
  /** `api`, or the session in which the agent made it. */
  created_by: string
  /** Grows with each change. */
  revision: number
  last_run_at: string | null
  last_status: string | null
  last_duration_ms: number | null
  last_error: string | null
  consecutive_errors: number
  /** null while it is paused, and once it is never due again. */
  next_run_at: string | null
  created_at: string
  updated_at: string
}

/** What is said of a job by whoever makes or changes it. */
export type CronJobFields = Pick<
  CronJobRow,
  | 'name'
  | 'description'
  | 'enabled'
  | 'schedule_kind'
  | 'schedule_expr'
  | 'schedule_every_ms'
  | 'schedule_tz'
  | 'schedule_json'
  | 'agent_id'
  | 'session_target'
  | 'payload_json'
  | 'delivery_mode'
  | 'delivery_channel'
  | 'catch_up'
  | 'overlap'
  | 'after_crash'
  | 'max_retries'
  | 'timeout_seconds'
  | 'authority'
  | 'next_run_at'
>

type StoredJob = Omit<CronJobRow, 'enabled'> & { enabled: number }

function toJob(row: StoredJob): CronJobRow {
  return { ...row, enabled: row.enabled === 1 }
}

export function insertCronJob(db: WritableDb, job: CronJobFields & Pick<CronJobRow, 'created_by'>): CronJobRow {
  return toJob(
    sql(
      db,
      `INSERT INTO cron_jobs
         (id, name, description, enabled, schedule_kind, schedule_expr, schedule_every_ms, schedule_tz, schedule_json,
          agent_id, session_target, payload_json, delivery_mode, delivery_channel, catch_up, overlap, after_crash, max_retries,
          timeout_seconds, authority, created_by, next_run_at, created_at, updated_at)
       VALUES
         (@id, @name, @description, @enabled, @schedule_kind, @schedule_expr, @schedule_every_ms, @schedule_tz,
          @schedule_json, @agent_id, @session_target, @payload_json, @delivery_mode, @delivery_channel, @catch_up,
          @overlap, @after_crash, @max_retries, @timeout_seconds, @authority, @created_by, @next_run_at, @now, @now)
       RETURNING *`,
    ).get({ ...job, id: newId(), enabled: Number(job.enabled), now: timestamp() }) as StoredJob,
  )
}

/** What was planned for the job as it was is void from here on. */
export function updateCronJob(db: WritableDb, id: string, job: CronJobFields): CronJobRow {
  return toJob(
    sql(
      db,
      `UPDATE cron_jobs SET
         name = @name, description = @description, enabled = @enabled, schedule_kind = @schedule_kind,
         schedule_expr = @schedule_expr, schedule_every_ms = @schedule_every_ms, schedule_tz = @schedule_tz,
         schedule_json = @schedule_json, agent_id = @agent_id, session_target = @session_target,
         payload_json = @payload_json,
         delivery_mode = @delivery_mode, delivery_channel = @delivery_channel, catch_up = @catch_up, overlap = @overlap,
         after_crash = @after_crash, max_retries = @max_retries, timeout_seconds = @timeout_seconds,
         authority = @authority,
         next_run_at = @next_run_at, revision = revision + 1, updated_at = @now
       WHERE id = @id RETURNING *`,
    ).get({ ...job, id, enabled: Number(job.enabled), now: timestamp() }) as StoredJob,
  )
}

/** Forgets that it failed, and why it was paused. */
export function forgiveCronJob(db: WritableDb, id: string): void {
  sql(
    db,
    `UPDATE cron_jobs SET consecutive_errors = 0,
       last_status = iif(last_status LIKE 'paused_%', NULL, last_status)
     WHERE id = ?`,
  ).run(id)
}

/** `status` says why, where nobody has asked for it. */
export function pauseCronJob(db: WritableDb, id: string, status: string | null): CronJobRow {
  return toJob(
    sql(
      db,
      `UPDATE cron_jobs SET enabled = 0, next_run_at = NULL, last_status = ifnull(@status, last_status),
         revision = revision + 1, updated_at = @now
       WHERE id = @id RETURNING *`,
    ).get({ id, status, now: timestamp() }) as StoredJob,
  )
}

/** A job that is never due again is done, and is disabled. */
export function setNextRun(db: WritableDb, id: string, next: string | null): void {
  sql(db, 'UPDATE cron_jobs SET next_run_at = @next, enabled = iif(@next IS NULL, 0, enabled) WHERE id = @id').run({
    id,
    next,
  })
}

/** Counts errors in a row; a success begins anew. */
export function recordLastRun(
  db: WritableDb,
  id: string,
  last: {
    last_run_at: string | null
    last_status: 'success' | 'error'
    last_duration_ms: number | null
    last_error: string | null
  },
): CronJobRow {
  return toJob(
    sql(
      db,
      `UPDATE cron_jobs SET last_run_at = @last_run_at, last_status = @last_status,
         last_duration_ms = @last_duration_ms, last_error = @last_error,
         consecutive_errors = iif(@last_status = 'error', consecutive_errors + 1, 0)
       WHERE id = @id RETURNING *`,
    ).get({ id, ...last }) as StoredJob,
  )
}

export function findCronJob(db: ReadableDb, id: string): CronJobRow | undefined {
  const row = sql(db, 'SELECT * FROM cron_jobs WHERE id = ?').get(id) as StoredJob | undefined
  return row && toJob(row)
}

export function loadCronJob(db: ReadableDb, id: string): CronJobRow {
  const job = findCronJob(db, id)
  if (!job) throw new RuntimeError('not_found', `cron job ${id} not found`)
  return job
}

/** By name. Of all, or of those that were made in one session. */
export function listCronJobs(
  db: ReadableDb,
  { created_by, limit }: { created_by: string | null; limit: number },
): CronJobRow[] {
  const text = `SELECT * FROM cron_jobs WHERE @created_by IS NULL OR created_by = @created_by
    ORDER BY name, id LIMIT @limit`
  return (sql(db, text).all({ created_by, limit }) as StoredJob[]).map(toJob)
}

export function countCronJobs(db: ReadableDb): number {
  return (sql(db, 'SELECT count(*) AS n FROM cron_jobs').get() as { n: number }).n
}

/** Of those made in one session, how many are still to run. */
export function countJobsAhead(db: ReadableDb, createdBy: string): number {
  const text = 'SELECT count(*) AS n FROM cron_jobs WHERE created_by = ? AND next_run_at IS NOT NULL'
  return (sql(db, text).get(createdBy) as { n: number }).n
}

/** Removes the longest done of the one-shots that the agent made, with their history. */
export function deleteDoneOneShots(db: WritableDb, limit: number): void {
  sql(
    db,
    `DELETE FROM cron_jobs WHERE id IN (
       SELECT id FROM cron_jobs j
       WHERE schedule_kind = 'once' AND enabled = 0 AND next_run_at IS NULL AND created_by <> 'api'
         AND NOT EXISTS (SELECT 1 FROM cron_runs r WHERE r.job_id = j.id AND r.status IN ('waiting', 'running'))
       ORDER BY last_run_at LIMIT ?)`,
  ).run(limit)
}

export function deleteCronJob(db: WritableDb, id: string): void {
  sql(db, 'DELETE FROM cron_jobs WHERE id = ?').run(id)
}

export type DueRow = Pick<CronJobRow, 'id' | 'revision' | 'schedule_json' | 'catch_up'> & { next_run_at: string }

/** Those whose time has come, the longest due first. */
export function listDueJobs(db: ReadableDb, now: string, limit: number): DueRow[] {
  const text = `SELECT id, revision, schedule_json, next_run_at, catch_up FROM cron_jobs
    WHERE enabled = 1 AND next_run_at IS NOT NULL AND next_run_at <= ? ORDER BY next_run_at LIMIT ?`
  return sql(db, text).all(now, limit) as DueRow[]
}

export function nextJobAt(db: ReadableDb): string | null {
  const text = 'SELECT min(next_run_at) AS at FROM cron_jobs WHERE enabled = 1 AND next_run_at IS NOT NULL'
  return (sql(db, text).get() as { at: string | null }).at
}
