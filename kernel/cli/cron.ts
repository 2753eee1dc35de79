import type { CronRun } from '#sdk/contracts/cron.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { terminalLine } from '../logs/terminal-text.ts'
import { clock } from './clock.ts'
import type { CliSession } from './connection.ts'
import { findJob, type JobOptions, jobFieldsOf } from './cron-job.ts'
import { given } from './given.ts'
import { oneLine } from './one-line.ts'
import { took } from './status.ts'
import { visibleJson } from './visible-json.ts'

/** The longest deadline of a run is a day; this is how long its end is waited for, in milliseconds. */
const longestRunMs = 86_460_000
/** Times that are shown when a job was made or changed. */
const shownTimes = 3

export async function listJobs({ client, out }: CliSession): Promise<void> {
  out.value(await client.cron.listJobs(), ({ jobs }) => {
    if (jobs.length === 0) return out.line('There are no jobs. Make one with: keel cron add NAME')
    out.table(
      ['NAME', 'SCHEDULE', 'NEXT', 'LAST', 'STATUS', 'ERRORS', 'ENABLED'],
      jobs.map((job) => [
        oneLine(job.name, 40),
        job.schedule_kind === 'every' ? `every ${job.schedule_expr ?? ''}` : (job.schedule_expr ?? job.schedule_kind),
        job.enabled && job.next_run_at !== null ? clock(job.next_run_at) : '–',
        job.last_run_at === null ? '–' : clock(job.last_run_at),
        job.last_status ?? 'pending',
        String(job.consecutive_errors),
        job.enabled ? 'yes' : 'no',
      ]),
    )
  })
}

export async function addJob(session: CliSession, name: string, options: JobOptions): Promise<void> {
  const { schedule_kind, payload_json, ...fields } = jobFieldsOf(options)
  if (schedule_kind === undefined)
    throw new RuntimeError('invalid', 'Say when it is due: --cron "0 9 * * 1-5", --every 5m or --at 2030-01-31T09:00')
  if (payload_json === undefined)
    throw new RuntimeError('invalid', 'Say what it does: --task, --tool, --url or --payload')
  const { id } = await session.client.cron.createJob({ body: { name, schedule_kind, payload_json, ...fields } })
  await tellTimes(session, id, 'is made')
}

export async function editJob(
  session: CliSession,
  named: string,
  { name, ...options }: JobOptions & { name?: string },
): Promise<void> {
  const body = { ...jobFieldsOf(options), ...given({ name }) }
  if (Object.keys(body).length === 0) throw new RuntimeError('invalid', 'Say what is to change, such as --every 10m')
  const { id } = await findJob(session.client, named)
  await session.client.cron.updateJob({ params: { id }, body })
  await tellTimes(session, id, 'is changed')
}

async function tellTimes({ client, out }: CliSession, id: string, what: string): Promise<void> {
  out.value(await client.cron.getJob({ params: { id } }), ({ name, enabled, upcoming, schedule_tz }) => {
    out.line(`${terminalLine(name)} ${what} (${id})${enabled ? '' : ', and is paused'}.`)
    if (upcoming.length === 0) out.line('It is never due.')
    for (const time of upcoming.slice(0, shownTimes)) out.line(`  ${zoned(time, schedule_tz)}`)
  })
}

export async function showJob({ client, out }: CliSession, named: string): Promise<void> {
  const { id } = await findJob(client, named)
  out.value(await client.cron.getJob({ params: { id } }), ({ payload_json, upcoming, ...fields }) => {
    const label = (name: string) => out.style('dim', name.padEnd(20))
    for (const [name, value] of Object.entries(fields))
      if (value !== null) out.line(`${label(name)}${terminalLine(String(value))}`)
    for (const time of upcoming) out.line(`${label('due')}${zoned(time, fields.schedule_tz)}`)
    out.line(label('payload'))
    out.line(visibleJson(JSON.parse(payload_json), 2))
  })
}

/** Waits for the run's end and returns the exit code: 1 where it failed. */
export async function runJob({ client, out, io }: CliSession, named: string): Promise<number> {
  const { id } = await findJob(client, named)
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(longestRunMs)])
  const run = await client.cron.runJob({ params: { id }, signal })
  out.value(run, ({ output_text, error }) => {
    if (output_text) out.raw(output_text.endsWith('\n') ? output_text : `${output_text}\n`)
    if (error !== null) out.note(error)
  })
  return run.status === 'success' ? 0 : 1
}

export async function pauseJob({ client, out }: CliSession, named: string): Promise<void> {
  const { id, name } = await findJob(client, named)
  out.value(await client.cron.pauseJob({ params: { id } }), () => out.line(`${terminalLine(name)} is paused.`))
}

export async function resumeJob({ client, out }: CliSession, named: string): Promise<void> {
  const { id, name } = await findJob(client, named)
  out.value(await client.cron.resumeJob({ params: { id } }), ({ next_run_at }) =>
    out.line(`${terminalLine(name)} runs again${next_run_at === null ? '' : `, next at ${clock(next_run_at)}`}.`),
  )
}

/** Lets the jobs run again that were paused for their errors. */
export async function recoverJobs({ client, out }: CliSession, named: string | undefined): Promise<void> {
  const jobs = named === undefined ? (await client.cron.listJobs()).jobs : [await findJob(client, named)]
  const paused = jobs.filter(({ enabled, last_status }) => !enabled && last_status?.startsWith('paused_'))
  for (const { id } of paused) await client.cron.resumeJob({ params: { id } })
  out.value({ recovered: paused.map(({ id, name, last_status }) => ({ id, name, last_status })) }, ({ recovered }) => {
    if (recovered.length === 0) out.line('No job was paused for its errors.')
    for (const { name, last_status } of recovered) out.line(`${terminalLine(name)} runs again (was ${last_status}).`)
  })
}

export async function removeJob({ client, out }: CliSession, named: string): Promise<void> {
  const { id, name } = await findJob(client, named)
  out.value(await client.cron.deleteJob({ params: { id } }), () =>
    out.line(`${terminalLine(name)} and the record of its runs are removed.`),
  )
}

export interface RunsOptions {
  failed?: boolean
  limit: string
  job?: string
}

export async function listRuns({ client, out }: CliSession, { failed, limit, job }: RunsOptions): Promise<void> {
  const job_id = job === undefined ? undefined : (await findJob(client, job)).id
  const query = given({ job_id, limit, status: failed ? ('error' as const) : undefined })
  out.value(await client.cron.listRuns({ query }), ({ runs }) => {
    if (runs.length === 0) return out.line(failed ? 'No run has failed.' : 'Nothing has run yet.')
    out.table(
      ['JOB', 'STATUS', 'TRIGGER', 'DUE', 'TOOK', 'ATTEMPT', 'OUTPUT'],
      runs.map((run) => [
        oneLine(run.job_name, 40),
        run.status,
        run.trigger,
        clock(run.scheduled_for),
        run.duration_ms === null ? '–' : took(run.duration_ms),
        String(run.attempt),
        outcome(run),
      ]),
    )
  })
}

function outcome({ status, error, output_text, missed_count }: CronRun): string {
  const [line = ''] = (error || output_text || '').split('\n', 1)
  return oneLine(status === 'skipped' && missed_count !== null ? `${missed_count} missed: ${line}` : line, 60)
}

/** The next times of a cron expression, in UTC unless told. */
export async function previewSchedule(
  { client, out }: CliSession,
  schedule_expr: string,
  { tz, count }: { tz?: string; count?: number },
): Promise<void> {
  const body = { schedule_kind: 'cron' as const, schedule_expr, ...given({ schedule_tz: tz, count }) }
  out.value(await client.cron.previewSchedule({ body }), ({ times }) => {
    if (times.length === 0) out.line('It is never due.')
    for (const time of times) out.line(zoned(time, tz ?? 'UTC'))
  })
}

function zoned(time: string, zone: string): string {
  return `${clock(time, zone)} ${zone}`
}
