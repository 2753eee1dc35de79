import { z } from 'zod'
import { nicknameFor } from '#kernel/sessions/nickname.ts'
import {
  type CronJobFields,
  type CronJobRow,
  countJobsAhead,
  findCronJob,
  listCronJobs,
} from '#kernel/store/cron-jobs.ts'
import { ownTool } from '#kernel/tools/own-tool.ts'
import type { Tool, ToolAnswer, ToolCaller } from '#kernel/tools/tool.ts'
import { shortFieldBytes } from '#sdk/contracts/text-field.ts'
import { cutOutput } from '#sdk/cut-output.ts'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import { upcoming } from '#sdk/schedule/occurrences.ts'
import { parseSchedule } from '#sdk/schedule/parse-schedule.ts'
import type { Schedule } from '#sdk/schedule/schedule.ts'
import { readTimeZone } from '#sdk/schedule/time-zone.ts'
import { type CronPayload, payloadBounds } from '#sdk/services/cron-payload.ts'
import { maxToolOutputBytes } from '#sdk/services/tools.ts'
import { exprOf, firstTime, jobDefaults, scheduleFields, scheduleOf } from './job-input.ts'
import type { Scheduler } from './scheduler.ts'

const timeoutMs = 10_000
/** Jobs made in one session that are still to run. */
export const maxJobsOfSession = 50
const maxListed = 100
/** What a model schedules costs money each time, whoever has talked it into it. */
const minApartMs = 60_000

type SchedulerForTools = Pick<Scheduler, 'create' | 'delete' | 'read' | 'agentId' | 'zone' | 'destinationOf'>

/** What the model can do with the schedule: each caller sees what was made in its own session, the owner everything. */
export function cronToolsOf(scheduler: SchedulerForTools): Tool[] {
  return [reminderTool(scheduler), jobTool(scheduler), listTool(scheduler), cancelTool(scheduler)]
}

const shortText = z.string().trim().min(1).max(shortFieldBytes)
const longText = z
  .string()
  .trim()
  .min(1)
  .refine(
    (text) => Buffer.byteLength(text) <= payloadBounds.textBytes,
    `must have at most ${payloadBounds.textBytes} bytes`,
  )

const reminderInput = z.object({
  when: shortText.describe(
    'Such as "in 10 minutes", "tomorrow at 9:00", "2030-03-08T09:30" or, to come again, "every day at 9:00".',
  ),
  text: longText.describe('What to remind of, as it is to be said then.'),
})

function reminderTool(scheduler: SchedulerForTools): Tool {
  return {
    ...ownTool('schedule_reminder', 'Says something in this conversation at a later time.', reminderInput),
    timeoutMs,
    risk: 'Caution',
    idempotent: false,
    run: answering(async (input, caller) => {
      const { when, text } = reminderInput.parse(input)
      const { session_id } = caller
      if (session_id === null) throw new RuntimeError('invalid', 'there is no conversation in which to remind')
      const zone = scheduler.zone()
      const schedule = await named('when', () => readWords(when, zone))
      const job = make(scheduler, caller, {
        name: `Reminder: ${nicknameFor(text)}`,
        schedule,
        zone,
        payload: { action: 'remind', text, session_id },
      })
      return `The reminder is set: ${described(job, zone)}`
    }),
  }
}

const jobInput = z.object({
  name: shortText,
  schedule: shortText.describe(
    'A cron expression such as "0 9 * * 1-5", an interval such as "every 30m", or a time such as "tomorrow at 9:00".',
  ),
  task: longText.describe('What you are to do each time, so that it can be understood without this conversation.'),
  timezone: shortText.optional().describe('An IANA name such as "Europe/Vienna", where it is not the usual one.'),
})

function jobTool(scheduler: SchedulerForTools): Tool {
  return {
    ...ownTool('schedule_job', 'Has you do a task at a later time, or again and again.', jobInput),
    timeoutMs,
    risk: 'Caution',
    idempotent: false,
    run: answering(async (input, caller) => {
      const { name, schedule: words, task, timezone } = jobInput.parse(input)
      const zone = readTimeZone(timezone ?? scheduler.zone(), 'timezone')
      const schedule = await named('schedule', () =>
        cronShape.test(words) ? readCron(words, zone) : readWords(words, zone),
      )
      const job = make(scheduler, caller, { name, schedule, zone, payload: { action: 'agent_task', task } })
      return `The job is scheduled: ${described(job, zone)}`
    }),
  }
}

const cronShape = /^(?:(?:CRON_)?TZ=|@)|^[\d*][\d*/,-]*(?: \S+){4,5}$/

function readCron(expr: string, tz: string): Schedule {
  return parseSchedule({ kind: 'cron', expr, tz, now: Date.now() })
}

async function readWords(words: string, zone: string): Promise<Schedule> {
  // A grammar of people's words is large, and most kernels never need it.
  const { readWhen } = await import('./when.ts')
  return readWhen(words, Date.now(), zone)
}

function make(
  scheduler: SchedulerForTools,
  caller: ToolCaller,
  { name, schedule, zone, payload }: { name: string; schedule: Schedule; zone: string; payload: CronPayload },
): CronJobRow {
  const created_by = makerOf(caller)
  if (countJobsAhead(scheduler.read, created_by) >= maxJobsOfSession)
    throw new RuntimeError(
      'conflict',
      `${maxJobsOfSession} jobs of this conversation are still to run; cancel one first`,
    )
  const now = Date.now()
  const [first = now, second] = upcoming(schedule, now, 2)
  if (second !== undefined && second - first < minApartMs)
    throw new RuntimeError('invalid', `it would come more often than each ${minApartMs / 1_000} seconds`)
  const delivery_channel = scheduler.destinationOf(caller.turn_id)
  const fields: CronJobFields = {
    ...jobDefaults,
    ...(delivery_channel !== null && { delivery_mode: 'announce', delivery_channel }),
    name,
    description: null,
    agent_id: caller.agent_id ?? scheduler.agentId(),
    ...scheduleFields(schedule, exprOf(schedule), zone),
    payload_json: JSON.stringify(payload),
    authority: caller.authority,
    next_run_at: firstTime(schedule, now),
  }
  return scheduler.create({ ...fields, created_by })
}

/** Outside a conversation, the way in. */
function makerOf({ session_id, channel }: ToolCaller): string {
  return session_id ?? channel
}

const noInput = z.object({})

function listTool(scheduler: SchedulerForTools): Tool {
  return {
    ...ownTool('list_jobs', 'Lists what is scheduled.', noInput),
    timeoutMs,
    risk: 'Caution',
    idempotent: true,
    run: answering(async (_input, caller) => {
      const created_by = caller.authority === 'Creator' ? null : makerOf(caller)
      const jobs = listCronJobs(scheduler.read, { created_by, limit: maxListed })
      if (jobs.length === 0) return 'Nothing is scheduled.'
      const lines = jobs.map((job) => `- ${described(job, scheduler.zone())}`)
      return cutOutput(lines.join('\n'), maxToolOutputBytes)
    }),
  }
}

const cancelInput = z.object({ id: shortText.describe('As list_jobs tells it, in square brackets.') })

function cancelTool(scheduler: SchedulerForTools): Tool {
  return {
    ...ownTool('cancel_job', 'Removes a reminder or a job from the schedule.', cancelInput),
    timeoutMs,
    risk: 'Caution',
    idempotent: true,
    run: answering(async (input, caller) => {
      const { id } = cancelInput.parse(input)
      const job = findCronJob(scheduler.read, id)
      if (!job || !(caller.authority === 'Creator' || job.created_by === makerOf(caller)))
        throw new RuntimeError('not_found', `there is no job ${id}; list_jobs tells their ids`)
      await scheduler.delete(id)
      return `${job.name} is cancelled.`
    }),
  }
}

/** One line: what it is, and when it comes next. */
function described(job: CronJobRow, zone: string): string {
  const { id, name, next_run_at, last_status } = job
  const schedule = scheduleOf(job)
  const again = schedule.kind === 'once' ? '' : `; ${schedule.kind} ${exprOf(schedule)}`
  const next = next_run_at === null ? `not to come any more (${last_status ?? 'paused'})` : shownTime(next_run_at, zone)
  return `[${id}] ${name.replace(/\s+/g, ' ')}: ${next}${again}`
}

function shownTime(iso: string, zone: string): string {
  const shown = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'short', timeZone: zone })
  return `${shown.format(new Date(iso))} (${zone})`
}

/** The field is told with what is wrong with it. */
async function named<T>(field: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (thrown) {
    if (!isErrorOf(thrown, 'invalid')) throw thrown
    throw new RuntimeError('invalid', `${field}: ${thrown.message.replace(/^schedule_expr: /, '')}`)
  }
}

/** What the caller did wrong is an answer that says so. */
function answering(
  act: (input: Record<string, unknown>, caller: ToolCaller) => Promise<string>,
): (input: Record<string, unknown>, run: { caller: ToolCaller }) => Promise<ToolAnswer> {
  return async (input, { caller }) => {
    try {
      return { status: 'success', output: await act(input, caller) }
    } catch (thrown) {
      if (!isErrorOf(thrown, 'invalid', 'not_found', 'conflict')) throw thrown
      return { status: 'error', output: thrown.message }
    }
  }
}
