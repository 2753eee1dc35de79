import type { CronJobFields, CronJobRow } from '#kernel/store/cron-jobs.ts'
import type { cronRoutes } from '#sdk/contracts/cron.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import type { RouteBody } from '#sdk/route.ts'
import { nextAfter } from '#sdk/schedule/occurrences.ts'
import { normalizeExpr, parseSchedule, type ScheduleWords } from '#sdk/schedule/parse-schedule.ts'
import { type Schedule, schedule as scheduleSchema } from '#sdk/schedule/schedule.ts'
import { readTimeZone } from '#sdk/schedule/time-zone.ts'
import { checkPayload, payloadObject } from './payload.ts'

type NewJob = RouteBody<typeof cronRoutes.createJob>
type JobChange = RouteBody<typeof cronRoutes.updateJob>

/** All but whose authority it has. */
export type ReadJob = Omit<CronJobFields, 'authority'>

const defaultZone = 'UTC'

/** What every job is unless it says otherwise. */
export const jobDefaults = {
  enabled: true,
  session_target: 'main',
  delivery_mode: 'none',
  delivery_channel: null,
  catch_up: 'once',
  overlap: 'forbid',
  after_crash: 'retry',
  max_retries: 3,
  timeout_seconds: 600,
} as const satisfies Partial<ReadJob>

/** A new job from what people write of it; `invalid` names the field. */
export function readNewJob(body: NewJob, { agentId, now }: { agentId: string; now: number }): ReadJob {
  const { name, description = null, agent_id = agentId, schedule_kind: kind, schedule_tz: tz = defaultZone } = body
  const timed = timesOf({ kind, expr: body.schedule_expr ?? body.schedule, tz }, now)
  const payload = body.payload_json === undefined ? defaultPayload(name, description) : payloadObject(body.payload_json)
  checkPayload(payload, description)
  const enabled = body.enabled ?? jobDefaults.enabled
  const job: ReadJob = {
    ...jobDefaults,
    ...settingsIn(body),
    name,
    description,
    enabled,
    agent_id,
    ...timed.fields,
    payload_json: JSON.stringify(payload),
    after_crash: body.after_crash ?? crashPolicyFor(payload),
    next_run_at: enabled ? firstTime(timed.schedule, now) : null,
  }
  requireChannel(job)
  return job
}

/** The job as it is after the change. Its next time changes with its schedule, or where it is enabled anew. */
export function readJobChange(body: JobChange, job: CronJobRow, now: number): ReadJob {
  const { name = job.name, agent_id = job.agent_id, enabled = job.enabled } = body
  const description = body.description === undefined ? job.description : body.description
  const timed = changedTimes(body, job, now)
  const payload = changedPayload(body, job)
  if (payload !== undefined) checkPayload(payload, description)
  const isTimedAnew = timed !== undefined || (enabled && job.next_run_at === null)
  const known = timed?.schedule ?? scheduleOf(job)
  const changed: ReadJob = {
    ...job,
    ...settingsIn(body),
    name,
    description,
    enabled,
    agent_id,
    ...timed?.fields,
    ...(payload && { payload_json: JSON.stringify(payload) }),
    after_crash: body.after_crash ?? (body.payload_json && payload ? crashPolicyFor(payload) : job.after_crash),
    next_run_at: !enabled ? null : isTimedAnew ? firstTime(known, now) : job.next_run_at,
  }
  requireChannel(changed)
  return changed
}

export function scheduleOf({ schedule_json }: Pick<CronJobRow, 'schedule_json'>): Schedule {
  return scheduleSchema.parse(JSON.parse(schedule_json))
}

/** The same as columns; `expr` is the text that is shown. */
export function scheduleFields(schedule: Schedule, expr: string, tz: string) {
  return {
    schedule_kind: schedule.kind,
    schedule_expr: expr,
    schedule_every_ms: schedule.kind === 'every' ? schedule.every_ms : null,
    schedule_tz: schedule.kind === 'cron' ? schedule.tz : tz,
    schedule_json: JSON.stringify(schedule),
  }
}

/** The text that is kept of a schedule which was said in words. */
export function exprOf(schedule: Schedule): string {
  switch (schedule.kind) {
    case 'cron':
      return schedule.expr
    case 'every':
      return `${schedule.every_ms / 1_000}s`
    case 'once':
      return timestamp(schedule.at)
  }
}

/** When a job that is enabled now is due for the first time. */
export function firstTime(schedule: Schedule, now: number): string {
  const next = nextAfter(schedule, now)
  if (next === null) throw new RuntimeError('invalid', 'schedule_expr: it is never due again')
  return timestamp(next)
}

function timesOf(words: ScheduleWords & { tz: string }, now: number) {
  const tz = readTimeZone(words.tz, 'schedule_tz')
  const schedule = parseSchedule({ ...words, tz, now })
  return { schedule, fields: scheduleFields(schedule, normalizeExpr(words), tz) }
}

function changedTimes(body: JobChange, job: CronJobRow, now: number) {
  const { schedule_kind, schedule_expr, schedule_tz } = body
  const kind = schedule_kind ?? job.schedule_kind
  const expr = schedule_expr ?? job.schedule_expr
  const tz = schedule_tz ?? job.schedule_tz
  // Who sends the whole job back has changed no more than what differs.
  const isSame = sameKind(kind, job) && expr === job.schedule_expr && tz === job.schedule_tz
  return isSame ? undefined : timesOf({ kind, expr, tz }, now)
}

function sameKind(kind: ScheduleWords['kind'], { schedule_kind }: CronJobRow): boolean {
  return (
    kind === schedule_kind ||
    (kind === 'interval' && schedule_kind === 'every') ||
    (kind === 'at' && schedule_kind === 'once')
  )
}

/** Those that are kept as they are given. */
const settings = [
  'session_target',
  'delivery_mode',
  'delivery_channel',
  'timeout_seconds',
  'max_retries',
  'catch_up',
  'overlap',
] as const

function settingsIn(body: JobChange): Partial<Pick<ReadJob, (typeof settings)[number]>> {
  return Object.fromEntries(settings.filter((name) => body[name] !== undefined).map((name) => [name, body[name]]))
}

function defaultPayload(name: string, description: string | null): Record<string, unknown> {
  return description === null
    ? { action: 'log', message: `scheduled job: ${name}` }
    : { action: 'agent_task', task: description }
}

/** A task that was taken from the description goes on being the description. */
function changedPayload(body: JobChange, job: CronJobRow): Record<string, unknown> | undefined {
  if (body.payload_json !== undefined) return payloadObject(body.payload_json)
  const { description } = body
  if (description == null || description === job.description) return undefined
  const payload = payloadObject(job.payload_json)
  return payload.action === 'agent_task' && payload.task === job.description
    ? { ...payload, task: description }
    : undefined
}

/** What a tool has done when its process dies nobody knows. */
function crashPolicyFor({ action }: Record<string, unknown>): CronJobFields['after_crash'] {
  return action === 'tool_call' ? 'fail' : jobDefaults.after_crash
}

function requireChannel({ delivery_mode, delivery_channel }: ReadJob): void {
  if (delivery_mode === 'announce' && delivery_channel === null)
    throw new RuntimeError('invalid', 'delivery_channel: is required where delivery_mode is announce')
}
