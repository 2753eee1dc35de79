import type { cronRoutes } from '#sdk/contracts/cron.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { HttpClient, RouteOptionsOf } from '#sdk/http-client.ts'
import type { CatchUpPolicy, CrashPolicy, OverlapPolicy } from '#sdk/services/scheduler.ts'
import { given } from './given.ts'
import { readJsonObject } from './json-input.ts'

/** What `keel cron add` and `edit` take. */
export interface JobOptions {
  cron?: string
  every?: string
  at?: string
  tz?: string
  task?: string
  tool?: string
  input?: string
  url?: string
  method?: string
  header?: readonly string[]
  body?: string
  payload?: string
  catchUp?: CatchUpPolicy
  overlap?: OverlapPolicy
  afterCrash?: CrashPolicy
  timeout?: number
  retries?: number
  isolated?: boolean
  deliver?: string
  disabled?: boolean
}

type Changes = NonNullable<RouteOptionsOf<(typeof cronRoutes)['updateJob']>['body']>

/** The fields of the job that the options name, and no others. */
export function jobFieldsOf(options: JobOptions): Changes {
  return {
    ...scheduleOf(options),
    ...given({
      schedule_tz: options.tz,
      payload_json: payloadOf(options),
      catch_up: options.catchUp,
      overlap: options.overlap,
      after_crash: options.afterCrash,
      timeout_seconds: options.timeout,
      max_retries: options.retries,
      session_target: options.isolated === undefined ? undefined : options.isolated ? 'isolated' : 'main',
      enabled: options.disabled ? false : undefined,
    }),
    ...(options.deliver === 'none' && { delivery_mode: 'none', delivery_channel: null }),
    ...(options.deliver !== undefined &&
      options.deliver !== 'none' && { delivery_mode: 'announce', delivery_channel: options.deliver }),
  }
}

function scheduleOf({ cron, every, at }: JobOptions): Pick<Changes, 'schedule_kind' | 'schedule_expr'> {
  if ([cron, every, at].filter((when) => when !== undefined).length > 1)
    throw new RuntimeError('invalid', 'Say one of --cron, --every and --at')
  if (cron !== undefined) return { schedule_kind: 'cron', schedule_expr: cron }
  if (every !== undefined) return { schedule_kind: 'every', schedule_expr: every }
  return at === undefined ? {} : { schedule_kind: 'once', schedule_expr: at }
}

function payloadOf(options: JobOptions): Record<string, unknown> | undefined {
  const { task, tool, input, url, method, header, body, payload } = options
  if ([task, tool, url, payload].filter((what) => what !== undefined).length > 1)
    throw new RuntimeError('invalid', 'Say one of --task, --tool, --url and --payload')
  if (tool === undefined && input !== undefined) throw new RuntimeError('invalid', '--input needs --tool')
  if (url === undefined && (method ?? header ?? body) !== undefined)
    throw new RuntimeError('invalid', '--method, --header and --body need --url')
  if (task !== undefined) return { action: 'agent_task', task }
  if (tool !== undefined)
    return { action: 'tool_call', tool, ...(input !== undefined && { input: readJsonObject(input, '--input') }) }
  if (url !== undefined)
    return { action: 'http', url, ...given({ method, headers: header && headersOf(header), body }) }
  return payload === undefined ? undefined : readJsonObject(payload, '--payload')
}

function headersOf(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':')
      if (colon < 1) throw new RuntimeError('invalid', `--header: expected NAME:VALUE, got ${JSON.stringify(line)}`)
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
    }),
  )
}

const maxListed = 10

/** The job of this id, of this name, or whose id begins so. */
export async function findJob(client: HttpClient, named: string) {
  const { jobs } = await client.cron.listJobs()
  const byId = jobs.filter(({ id }) => id === named)
  const byName = jobs.filter(({ name }) => name === named)
  const meant = [byId, byName].find(({ length }) => length > 0) ?? jobs.filter(({ id }) => id.startsWith(named))
  const [job, ...others] = meant
  if (job === undefined || named === '')
    throw new RuntimeError('not_found', `There is no job ${JSON.stringify(named)}; keel cron list shows them`)
  if (others.length === 0) return job
  const listed = meant.slice(0, maxListed).map(({ id, name }) => `${id} (${name})`)
  throw new RuntimeError(
    'conflict',
    `${JSON.stringify(named)} may be ${meant.length} jobs, say which by its id: ${listed.join(', ')}${meant.length > maxListed ? ', …' : ''}`,
  )
}
