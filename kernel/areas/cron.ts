import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import { apiGrant } from '#kernel/policy/authority.ts'
import { readNewJob, scheduleOf } from '#kernel/scheduler/job-input.ts'
import { maxJobs } from '#kernel/scheduler/scheduler.ts'
import { type CronJobRow, loadCronJob } from '#kernel/store/cron-jobs.ts'
import { type CronRunRow, loadCronRun } from '#kernel/store/cron-runs.ts'
import type { CronJob, CronRun, cronRoutes } from '#sdk/contracts/cron.ts'
import { timestamp } from '#sdk/ids.ts'
import { upcoming } from '#sdk/schedule/occurrences.ts'
import { parseSchedule } from '#sdk/schedule/parse-schedule.ts'

const shownTimes = 5

export const cronHandlers: Handlers<typeof cronRoutes, Pick<Context, 'store' | 'config' | 'scheduler'>> = {
  async listJobs(_, { store }) {
    return { jobs: (await store.pool.run('listCronJobs', { created_by: null, limit: maxJobs })).map(jobView) }
  },

  createJob({ body }, { config, scheduler }) {
    const { agent, security } = config.current()
    const job = readNewJob(body, { agentId: agent.id, now: Date.now() })
    const { id } = scheduler.create({ ...job, authority: apiGrant(security).level, created_by: 'api' })
    return { job_id: id, id }
  },

  getJob({ params }, { store }) {
    const job = loadCronJob(store.read, params.id)
    const { schedule_json: _schedule, revision: _revision, ...fields } = job
    return { ...fields, upcoming: upcomingOf(job) }
  },

  updateJob({ params, body }, { config, scheduler }) {
    const { id } = scheduler.update(params.id, body, apiGrant(config.current().security).level)
    return { updated: true, id }
  },

  async deleteJob({ params }, { scheduler }) {
    await scheduler.delete(params.id)
    return { deleted: true, id: params.id }
  },

  async runJob({ params, signal }, { scheduler }) {
    const { id, status, error, output_text } = await scheduler.runNow(params.id, signal)
    return { job_id: params.id, run_id: id, status: status === 'success' ? 'success' : 'error', error, output_text }
  },

  async listRuns({ query }, { store }) {
    const { from = null, to = null, job_id = null, status = null, limit } = query
    const runs = await store.pool.run('listCronRuns', { from, to, job_id, status, limit })
    return { runs: runs.map((run) => runView(run, run.job_name)) }
  },

  getRun({ params }, { store }) {
    const run = loadCronRun(store.read, params.id)
    return runView(run, loadCronJob(store.read, run.job_id).name)
  },

  pauseJob({ params }, { scheduler }) {
    scheduler.pause(params.id)
    return { paused: true, id: params.id }
  },

  resumeJob({ params }, { config, scheduler }) {
    const { level } = apiGrant(config.current().security)
    const { id, next_run_at } = scheduler.update(params.id, { enabled: true }, level)
    return { resumed: true, id, next_run_at }
  },

  replayRun({ params }, { scheduler }) {
    const { id, job_id } = scheduler.replay(params.id)
    return { run_id: id, job_id }
  },

  previewSchedule({ body }) {
    const { schedule_kind: kind, schedule_expr: expr, schedule_tz: tz, count, from } = body
    const now = from === undefined ? Date.now() : Date.parse(from)
    return { times: upcoming(parseSchedule({ kind, expr, tz, now }), now, count).map((at) => timestamp(at)) }
  },
}

function upcomingOf(job: CronJobRow): string[] {
  const now = Date.now()
  const known = job.next_run_at === null ? now : Date.parse(job.next_run_at)
  return upcoming(scheduleOf(job), now, shownTimes, known).map((at) => timestamp(at))
}

function jobView(job: CronJobRow): CronJob {
  const { id, name, description, enabled, schedule_kind, schedule_expr, agent_id, payload_json } = job
  const { last_run_at, last_status, consecutive_errors, next_run_at } = job
  return {
    id,
    name,
    description,
    enabled,
    schedule_kind,
    schedule_expr,
    agent_id,
    payload_json,
    last_run_at,
    last_status,
    consecutive_errors,
    next_run_at,
  }
}

function runView(run: CronRunRow, job_name: string): CronRun {
  return {
    id: run.id,
    job_id: run.job_id,
    job_name,
    status: run.status,
    duration_ms: run.duration_ms,
    error: run.error,
    output_text: run.output_text,
    created_at: run.created_at,
    day: run.scheduled_for.slice(0, 'YYYY-MM-DD'.length),
    trigger: run.trigger,
    scheduled_for: run.scheduled_for,
    started_at: run.started_at,
    finished_at: run.finished_at,
    attempt: run.attempt,
    missed_count: run.missed_count,
    missed_until: run.missed_until,
    not_before: run.not_before,
    turn_id: run.turn_id,
    session_id: run.session_id,
  }
}
