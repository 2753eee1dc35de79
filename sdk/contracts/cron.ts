import { z } from 'zod'
import { del, get, post, put } from '../route.ts'
import { authority } from '../services/agent.ts'
import { catchUpPolicy, crashPolicy, cronTrigger, overlapPolicy } from '../services/scheduler.ts'
import { clampedInteger, filter, instant } from './query.ts'
import { longField, shortField } from './text-field.ts'
import { count, day, jsonObject, milliseconds, time } from './values.ts'

const maxPayloadLength = 65_536
const maxRunSeconds = 86_400
const maxRetries = 10

export const cronJob = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  enabled: z.boolean(),
  /** `cron`, `every` or `once`; kept as text, since clients treat unknown kinds as opaque. */
  schedule_kind: z.string(),
  schedule_expr: z.string().nullable(),
  agent_id: z.string(),
  payload_json: z.string(),
  last_run_at: time.nullable(),
  last_status: z.string().nullable(),
  consecutive_errors: count,
  next_run_at: time.nullable(),
})
export type CronJob = z.infer<typeof cronJob>

export const cronJobDetail = cronJob.extend({
  schedule_every_ms: milliseconds.nullable(),
  schedule_tz: z.string(),
  session_target: z.string(),
  delivery_mode: z.string(),
  delivery_channel: z.string().nullable(),
  last_duration_ms: milliseconds.nullable(),
  last_error: z.string().nullable(),
  timeout_seconds: count,
  max_retries: count,
  catch_up: catchUpPolicy,
  overlap: overlapPolicy,
  after_crash: crashPolicy,
  /** The most that its runs may do, by whoever made it. */
  authority,
  /** `api`, or the session in which the agent made it. */
  created_by: z.string(),
  created_at: time,
  updated_at: time,
  /** The next times, at most five; those of a paused job are what they would be. */
  upcoming: z.array(time),
})

/** What became of a run. `skipped`: it never ran; `cancelled`: a later one took its place. */
export const cronRunStatus = z.enum(['success', 'error', 'skipped', 'cancelled', 'running', 'waiting'])

export const cronRun = z.object({
  id: z.string(),
  job_id: z.string(),
  /** `unknown` when the job is gone. */
  job_name: z.string(),
  status: cronRunStatus,
  duration_ms: milliseconds.nullable(),
  error: z.string().nullable(),
  output_text: z.string().nullable(),
  created_at: time,
  /** Of the time for which it was due. */
  day,
  trigger: cronTrigger,
  scheduled_for: time,
  started_at: time.nullable(),
  finished_at: time.nullable(),
  /** How often it was begun. */
  attempt: count,
  /** Of a skipped one: how many occurrences it stands for, and the last of them. */
  missed_count: count.nullable(),
  missed_until: time.nullable(),
  /** When a waiting one may begin. */
  not_before: time.nullable(),
  turn_id: z.string().nullable(),
  session_id: z.string().nullable(),
})
export type CronRun = z.infer<typeof cronRun>

const scheduleKind = z.enum(
  ['cron', 'every', 'interval', 'once', 'at'],
  'must be one of cron, every, interval, once, at',
)

const jobFields = {
  name: shortField,
  description: longField.nullish(),
  agent_id: shortField.optional(),
  schedule_kind: scheduleKind,
  schedule_expr: shortField.nullish(),
  /** JSON text, or the object it stands for. */
  payload_json: z.union([z.string().max(maxPayloadLength), jsonObject]).optional(),
  schedule_tz: shortField.optional(),
  enabled: z.boolean().optional(),
  session_target: z.enum(['main', 'isolated']).optional(),
  delivery_mode: z.enum(['none', 'announce']).optional(),
  delivery_channel: shortField.nullish(),
  timeout_seconds: z.int().min(1).max(maxRunSeconds).optional(),
  max_retries: z.int().min(0).max(maxRetries).optional(),
  catch_up: catchUpPolicy.optional(),
  overlap: overlapPolicy.optional(),
  after_crash: crashPolicy.optional(),
}

export const cronRoutes = {
  listJobs: get('/api/cron/jobs', { summary: 'List cron jobs', response: z.object({ jobs: z.array(cronJob) }) }),
  createJob: post('/api/cron/jobs', {
    summary: 'Create cron job',
    /** `schedule` is another name of `schedule_expr`. */
    body: z.object({ ...jobFields, schedule: shortField.optional() }),
    response: z.object({ job_id: z.string(), id: z.string() }),
  }),
  getJob: get('/api/cron/jobs/:id', { summary: 'Cron job detail', response: cronJobDetail }),
  updateJob: put('/api/cron/jobs/:id', {
    summary: 'Change a cron job',
    body: z.object(jobFields).partial(),
    response: z.object({ updated: z.literal(true), id: z.string() }),
  }),
  deleteJob: del('/api/cron/jobs/:id', {
    summary: 'Delete cron job',
    response: z.object({ deleted: z.literal(true), id: z.string() }),
  }),
  runJob: post('/api/cron/jobs/:id/run', {
    summary: 'Run a cron job now',
    /** Waits for the end of the run. `conflict` where one is under way that forbids another. */
    response: z.object({
      job_id: z.string(),
      run_id: z.string(),
      status: z.enum(['success', 'error']),
      error: z.string().nullable(),
      output_text: z.string().nullable(),
    }),
  }),
  listRuns: get('/api/cron/runs', {
    summary: 'List recent cron runs',
    /** Without a `status`, all that are over. */
    query: z.object({
      from: instant,
      to: instant,
      job_id: filter,
      status: cronRunStatus.optional(),
      limit: clampedInteger(1000, 1, 5000),
    }),
    response: z.object({ runs: z.array(cronRun) }),
  }),
  getRun: get('/api/cron/runs/:id', { summary: 'One cron run', response: cronRun }),
  pauseJob: post('/api/cron/jobs/:id/pause', {
    summary: 'Pause a cron job',
    response: z.object({ paused: z.literal(true), id: z.string() }),
  }),
  resumeJob: post('/api/cron/jobs/:id/resume', {
    summary: 'Let a paused cron job run again',
    response: z.object({ resumed: z.literal(true), id: z.string(), next_run_at: time.nullable() }),
  }),
  /** A failed or skipped occurrence, with the payload that the job has now. */
  replayRun: post('/api/cron/runs/:id/replay', {
    summary: 'Run a failed or skipped cron run again',
    response: z.object({ run_id: z.string(), job_id: z.string() }),
  }),
  previewSchedule: post('/api/cron/preview', {
    summary: 'When a schedule is due',
    body: z.object({
      schedule_kind: scheduleKind,
      schedule_expr: shortField,
      schedule_tz: shortField.optional(),
      count: z.int().min(1).max(50).default(5),
      /** From then on; now unless told. */
      from: instant,
    }),
    response: z.object({ times: z.array(time) }),
  }),
}
