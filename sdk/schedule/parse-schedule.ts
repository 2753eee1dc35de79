import { shortFieldBytes } from '../contracts/text-field.ts'
import { RuntimeError, reasonOf } from '../errors.ts'
import { checkCronFields } from './cron-fields.ts'
import { cronPattern } from './cron-pattern.ts'
import type { Schedule } from './schedule.ts'
import { readTimeZone } from './time-zone.ts'

/** `interval` is another name of `every`, and `at` of `once`. */
export type ScheduleKind = 'cron' | 'every' | 'interval' | 'once' | 'at'

export interface ScheduleWords {
  kind: ScheduleKind
  expr?: string | null | undefined
  /** In which the expression is read, unless it names one itself; UTC if absent. */
  tz?: string | undefined
}

const where = 'schedule_expr'
const dayMs = 86_400_000
const minIntervalMs = 1_000
const maxIntervalDays = 366
const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: dayMs } as const
const zonePrefix = /^(?:CRON_)?TZ=(\S*)\s+/
const nicknames = /^@(?:yearly|annually|monthly|weekly|daily|midnight|hourly)$/i
const intervalShape = /^(\d{1,14}) ?(ms|s|m|h|d)?$/i
const dateShape = /([1-9]\d{3})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])/
const clockShape = /([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?/
const timeShape = new RegExp(`^${dateShape.source}[T ]${clockShape.source} ?(Z|[+-]\\d{2}:\\d{2})?$`, 'i')

/**
 * What people write as the time of a job: a cron expression of five fields, or six with seconds first, that may begin
 * with `TZ=<zone> `; an interval such as `30`, `30s`, `5m`, `1h`, `2d`; a time in ISO-8601, read in `tz` where it has
 * no offset. `invalid` names the field, and the part of it that is wrong; so it does where the time is past `now` or
 * never comes.
 */
export function parseSchedule({ kind, expr, tz = 'UTC', now }: ScheduleWords & { now: number }): Schedule {
  const given = normalizeSpace(expr ?? '')
  if (given === '') refuse(`is required for the kind ${kind}`)
  if (Buffer.byteLength(given) > shortFieldBytes) refuse(`exceeds max length (${shortFieldBytes})`)
  switch (kind) {
    case 'cron':
      return parseCron(given, tz, now)
    case 'every':
    case 'interval':
      return parseInterval(given)
    case 'once':
    case 'at':
      return parseTime(given, tz, now)
  }
}

/** The text that is kept of an expression that was understood: with its unit, and without its zone. */
export function normalizeExpr({ kind, expr }: Pick<ScheduleWords, 'kind' | 'expr'>): string {
  const given = normalizeSpace(expr ?? '')
  if (kind === 'cron') return given.replace(zonePrefix, '')
  if (kind !== 'every' && kind !== 'interval') return given
  return given.replace(intervalShape, (_, amount: string, unit: string = 's') => `${amount}${unit.toLowerCase()}`)
}

function parseCron(given: string, tz: string, now: number): Schedule {
  const named = zonePrefix.exec(given)
  const zone = named ? readTimeZone(named[1] ?? '', where) : readTimeZone(tz, 'schedule_tz')
  const expr = given.replace(zonePrefix, '')
  if (!nicknames.test(expr)) checkCronFields(expr, where)
  if (nextOf(expr, zone, now) === null) refuse(`never due (${daysOf(expr)})`)
  return { kind: 'cron', expr, tz: zone }
}

function parseInterval(given: string): Schedule {
  const [, amount, unit = 's'] = intervalShape.exec(given) ?? []
  if (amount === undefined) refuse(`'${given}' is no interval; write 30s, 5m, 1h or 2d`)
  const every_ms = Number(amount) * unitMs[unit.toLowerCase() as keyof typeof unitMs]
  if (every_ms < minIntervalMs) refuse(`'${given}' is shorter than 1 second`)
  if (every_ms > maxIntervalDays * dayMs) refuse(`'${given}' is longer than ${maxIntervalDays} days`)
  return { kind: 'every', every_ms }
}

function parseTime(given: string, tz: string, now: number): Schedule {
  const found = timeShape.exec(given)
  if (!found) return refuse(`'${given}' is no time; write 2030-03-08T09:30, and Z or an offset where it has one`)
  const [, year = '', month, day, hour, minute, second = '00', fraction = '', offset] = found
  const zone = offset === undefined ? readTimeZone(tz, 'schedule_tz') : readTimeZone(offset, where)
  // A time of day is the same whether it comes once or daily, and so it is found the same way.
  const expr = `${second} ${minute} ${hour} ${day} ${month} * ${year}`
  const wholeSecond = nextOf(expr, zone, Date.UTC(Number(year), 0) - 2 * dayMs)
  if (wholeSecond === null) return refuse(`there is no ${year}-${month}-${day}`)
  const at = wholeSecond + Number(fraction.padEnd(3, '0').slice(0, 3))
  if (at <= now) refuse(`'${given}' is in the past`)
  return { kind: 'once', at }
}

function nextOf(expr: string, zone: string, after: number): number | null {
  try {
    return cronPattern(expr, zone).nextRun(new Date(after))?.getTime() ?? null
  } catch (cause) {
    throw new RuntimeError('invalid', `${where}: ${reasonOf(cause).replace('CronPattern: ', '')}`, undefined, { cause })
  }
}

/** Which days an expression that is never due asks for. */
function daysOf(expr: string): string {
  const [day = '', month = '', weekday = ''] = expr.split(' ').slice(-3)
  const name = /^\d+$/.test(month) ? new Date(2_000, Number(month) - 1).toLocaleString('en', { month: 'long' }) : month
  if (/^\d+$/.test(day)) return `${day} ${name}`
  return `day of month ${day}, month ${month}, day of week ${weekday}`
}

function normalizeSpace(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ')
}

function refuse(problem: string): never {
  throw new RuntimeError('invalid', `${where}: ${problem}`)
}
