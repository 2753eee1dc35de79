import { z } from 'zod'
import { del, get, post, put } from '../route.ts'
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
  timeout_seconds: count.optional(),
  max_retries: count.optional(),
  catch_up: z.enum(['skip', 'once', 'all']).optional(),
})

export const cronTrigger = z.enum(['schedule', 'manual', 'catch_up'])

export const cronRun = z.object({
  id: z.string(),
  job_id: z.string(),
  /** `unknown` when the job is gone. */
  job_name: z.string(),
  status: z.enum(['success', 'error']),
  duration_ms: milliseconds.nullable(),
  error: z.string().nullable(),
  output_text: z.string().nullable(),
  created_at: time,
  day,
  trigger: cronTrigger.optional(),
  scheduled_for: time.nullish(),
  started_at: time.nullish(),
  finished_at: time.nullish(),
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
  catch_up: z.enum(['skip', 'once', 'all']).optional(),
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
    response: z.object({
      job_id: z.string(),
      status: z.enum(['success', 'error']),
      error: z.string().nullable(),
      output_text: z.string().nullable(),
    }),
  }),
  listRuns: get('/api/cron/runs', {
    summary: 'List recent cron runs',
    query: z.object({ from: instant, to: instant, job_id: filter, limit: clampedInteger(1000, 1, 5000) }),
    response: z.object({ runs: z.array(cronRun) }),
  }),
}
