import { type ParsedResult, parse } from 'chrono-node/en'
import { RuntimeError } from '#sdk/errors.ts'
import { parseSchedule } from '#sdk/schedule/parse-schedule.ts'
import type { Schedule } from '#sdk/schedule/schedule.ts'

type ParsedTime = ParsedResult['start']

const maxLength = 200
const endOfTime = Date.UTC(9_999, 11, 31)
const minuteMs = 60_000
const unitMs = { s: 1_000, m: minuteMs, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const

const interval = /^every (?:(\d{1,5}) ?)?(s|m|h|d|w)(?:ecs?|econds?|ins?|inutes?|rs?|ours?|ays?|eeks?)?$/
const dayName = /(?:sun|mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?)(?:day)?/
const daily = new RegExp(`^(?:every |each )?(daily|day|weekday|workday|weekend|${dayName.source})s?(?: (.+))?$`)
/** What may stand beside a time and says nothing. */
const filler = /\b(?:at|on|please)\b/gi

/**
 * When people mean: `in 10 minutes`, `2h`, `tomorrow at 9:00`, a time in ISO-8601, `every 5m`, `every monday at 9`.
 * Times of day are those of the zone, on whichever side of a change of its clocks they lie. `invalid` says what is
 * wrong.
 */
export function readWhen(text: string, now: number, zone: string): Schedule {
  const phrase = text.trim().replaceAll(/\s+/g, ' ')
  if (phrase.length > maxLength) throw new RuntimeError('invalid', `a time has at most ${maxLength} characters`)
  if (/^(?:every|each|daily)\b/i.test(phrase)) return readRecurring(phrase.toLowerCase(), now, zone)
  const at = instantOf(timeIn(phrase, now, zone), zone)
  if (at <= now) throw new RuntimeError('invalid', `'${phrase}' is in the past`)
  if (at > endOfTime) throw new RuntimeError('invalid', `'${phrase}' is too far away`)
  return { kind: 'once', at }
}

function readRecurring(phrase: string, now: number, zone: string): Schedule {
  const [, amount, unit] = interval.exec(phrase) ?? []
  // Without a number a day is one by the clock, which may have 23 hours.
  if (unit !== undefined && !(unit === 'd' && amount === undefined)) {
    const every_ms = Number(amount ?? 1) * unitMs[unit as keyof typeof unitMs]
    return parseSchedule({ kind: 'every', expr: `${every_ms}ms`, now })
  }
  const [, days, clock] = daily.exec(phrase) ?? []
  if (days === undefined) throw notUnderstood(phrase)
  const time = timeIn(clock ?? 'now', now, zone)
  if (time.get('hour') === null || (clock !== undefined && !isTimeOfDay(time))) throw notUnderstood(phrase)
  const expr = `${time.get('minute') ?? 0} ${time.get('hour')} * * ${daysOf(days)}`
  return parseSchedule({ kind: 'cron', expr, tz: zone, now })
}

function isTimeOfDay(time: ParsedTime): boolean {
  return (
    time.isCertain('hour') && !time.isCertain('day') && !time.isCertain('weekday') && !time.isCertain('timezoneOffset')
  )
}

function daysOf(name: string): string {
  if (name === 'daily' || name === 'day') return '*'
  if (name === 'weekday' || name === 'workday') return '1-5'
  if (name === 'weekend') return '0,6'
  return String(weekdays.findIndex((weekday) => name.startsWith(weekday)))
}

/** The one time that the whole phrase names. */
function timeIn(phrase: string, now: number, zone: string): ParsedTime {
  const reference = { instant: new Date(now), timezone: offsetMinutes(now, zone) }
  const [found] = parse(phrase, reference, { forwardDate: true })
  if (!found || found.end) throw notUnderstood(phrase)
  const rest = phrase.slice(0, found.index) + phrase.slice(found.index + found.text.length)
  if (/[\p{L}\p{N}]/u.test(rest.replaceAll(filler, ''))) throw notUnderstood(phrase)
  return found.start
}

/** A span from now, and a time with a zone of its own, are instants; any other is what the zone's clocks show. */
function instantOf(time: ParsedTime, zone: string): number {
  if (time.isCertain('timezoneOffset')) return time.date().getTime()
  const two = (part: 'month' | 'day' | 'hour' | 'minute' | 'second') => String(time.get(part) ?? 0).padStart(2, '0')
  const date = `${time.get('year')}-${two('month')}-${two('day')}`
  const expr = `${date}T${two('hour')}:${two('minute')}:${two('second')}`
  const read = parseSchedule({ kind: 'once', expr, tz: zone, now: Number.NEGATIVE_INFINITY })
  return read.kind === 'once' ? read.at : Number.NaN
}

function offsetMinutes(now: number, zone: string): number {
  const shown = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' }).formatToParts(now)
  const name = shown.find(({ type }) => type === 'timeZoneName')?.value ?? ''
  const [, sign, hours, minutes] = /GMT([+-])(\d{2}):(\d{2})/.exec(name) ?? []
  const size = Number(hours ?? 0) * 60 + Number(minutes ?? 0)
  return sign === '-' ? -size : size
}

const examples = '"in 10 minutes", "tomorrow at 9:00", "2030-03-08T09:30", "every 5m" or "every monday at 9:00"'

function notUnderstood(phrase: string): RuntimeError {
  return new RuntimeError('invalid', `'${phrase}' is not understood; write for instance ${examples}`)
}
