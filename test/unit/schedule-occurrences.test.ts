import { expect, test } from 'vitest'
import { latestUpTo, nextAfter, upcoming } from '#sdk/schedule/occurrences.ts'
import { parseSchedule } from '#sdk/schedule/parse-schedule.ts'
import type { Schedule } from '#sdk/schedule/schedule.ts'

const dayMs = 86_400_000

function cron(expr: string, tz: string): Schedule {
  return { kind: 'cron', expr, tz }
}

function iso(times: (number | string)[]): string[] {
  return times.map((time) => new Date(time).toISOString())
}

const newYork = 'America/New_York'
const berlin = 'Europe/Berlin'
const lordHowe = 'Australia/Lord_Howe'
const cairo = 'Africa/Cairo'
const santiago = 'America/Santiago'

test.each<[zone: string, expr: string, after: string, due: string[]]>([
  // New York: 2026-03-08 has no 02:00 to 02:59, 2026-11-01 has 01:00 to 01:59 twice.
  [newYork, '30 2 * * *', '2026-03-07T12:00-05:00', ['2026-03-08T03:00-04:00', '2026-03-09T02:30-04:00']],
  [newYork, '0 2 * * *', '2026-03-07T12:00-05:00', ['2026-03-08T03:00-04:00', '2026-03-09T02:00-04:00']],
  [newYork, '59 2 * * *', '2026-03-07T12:00-05:00', ['2026-03-08T03:00-04:00', '2026-03-09T02:59-04:00']],
  [newYork, '15 30 2 * * *', '2026-03-07T12:00-05:00', ['2026-03-08T03:00-04:00', '2026-03-09T02:30:15-04:00']],
  [newYork, '30 1 * * *', '2026-03-07T12:00-05:00', ['2026-03-08T01:30-05:00', '2026-03-09T01:30-04:00']],
  [newYork, '30 3 * * *', '2026-03-07T12:00-05:00', ['2026-03-08T03:30-04:00', '2026-03-09T03:30-04:00']],
  [newYork, '30 2 * * SUN', '2026-03-07T12:00-05:00', ['2026-03-08T03:00-04:00', '2026-03-15T02:30-04:00']],
  [newYork, '30 2 8 3 *', '2026-03-07T12:00-05:00', ['2026-03-08T03:00-04:00', '2027-03-08T02:30-05:00']],
  [newYork, '30 2,14 * * *', '2026-03-07T15:00-05:00', ['2026-03-08T03:00-04:00', '2026-03-08T14:30-04:00']],
  [newYork, '*/30 * * * *', '2026-03-08T01:00-05:00', ['2026-03-08T01:30-05:00', '2026-03-08T03:00-04:00']],
  [newYork, '15 * * * *', '2026-03-08T01:00-05:00', ['2026-03-08T01:15-05:00', '2026-03-08T03:15-04:00']],
  [newYork, '0 */2 * * *', '2026-03-08T00:00-05:00', ['2026-03-08T04:00-04:00', '2026-03-08T06:00-04:00']],
  [newYork, '30 1 * * *', '2026-10-31T12:00-04:00', ['2026-11-01T01:30-04:00', '2026-11-02T01:30-05:00']],
  [newYork, '0 1 * * *', '2026-10-31T12:00-04:00', ['2026-11-01T01:00-04:00', '2026-11-02T01:00-05:00']],
  [
    newYork,
    '0,30 1 * * *',
    '2026-10-31T12:00-04:00',
    ['2026-11-01T01:00-04:00', '2026-11-01T01:30-04:00', '2026-11-02T01:00-05:00'],
  ],
  [newYork, '30 1 * * *', '2026-11-01T01:30-04:00', ['2026-11-02T01:30-05:00', '2026-11-03T01:30-05:00']],
  [newYork, '30 2 * * *', '2026-10-31T12:00-04:00', ['2026-11-01T02:30-05:00', '2026-11-02T02:30-05:00']],
  [
    newYork,
    '*/30 * * * *',
    '2026-11-01T00:30-04:00',
    [
      '2026-11-01T01:00-04:00',
      '2026-11-01T01:30-04:00',
      '2026-11-01T01:00-05:00',
      '2026-11-01T01:30-05:00',
      '2026-11-01T02:00-05:00',
    ],
  ],
  [
    newYork,
    '0 * * * *',
    '2026-11-01T00:30-04:00',
    ['2026-11-01T01:00-04:00', '2026-11-01T01:00-05:00', '2026-11-01T02:00-05:00'],
  ],
  [newYork, '0 0 * * *', '2026-10-31T12:00-04:00', ['2026-11-01T00:00-04:00', '2026-11-02T00:00-05:00']],
  [newYork, '0 9 * * MON-FRI', '2026-03-06T12:00-05:00', ['2026-03-09T09:00-04:00', '2026-03-10T09:00-04:00']],
  [newYork, '0 12 L * *', '2026-02-01T00:00-05:00', ['2026-02-28T12:00-05:00', '2026-03-31T12:00-04:00']],

  // Berlin: 2026-03-29 has no 02:00 to 02:59, 2026-10-25 has it twice.
  [berlin, '30 2 * * *', '2026-03-28T12:00+01:00', ['2026-03-29T03:00+02:00', '2026-03-30T02:30+02:00']],
  [berlin, '0 2 * * *', '2026-03-28T12:00+01:00', ['2026-03-29T03:00+02:00', '2026-03-30T02:00+02:00']],
  [berlin, '0 3 * * *', '2026-03-28T12:00+01:00', ['2026-03-29T03:00+02:00', '2026-03-30T03:00+02:00']],
  [berlin, '30 2 * * *', '2026-10-24T12:00+02:00', ['2026-10-25T02:30+02:00', '2026-10-26T02:30+01:00']],
  [berlin, '0 2 * * *', '2026-10-24T12:00+02:00', ['2026-10-25T02:00+02:00', '2026-10-26T02:00+01:00']],
  [berlin, '0 3 * * *', '2026-10-24T12:00+02:00', ['2026-10-25T03:00+01:00', '2026-10-26T03:00+01:00']],
  [berlin, '*/20 * * * *', '2026-03-29T01:30+01:00', ['2026-03-29T01:40+01:00', '2026-03-29T03:00+02:00']],
  [
    berlin,
    '*/30 * * * *',
    '2026-10-25T01:30+02:00',
    [
      '2026-10-25T02:00+02:00',
      '2026-10-25T02:30+02:00',
      '2026-10-25T02:00+01:00',
      '2026-10-25T02:30+01:00',
      '2026-10-25T03:00+01:00',
    ],
  ],
  [berlin, '0 0 * * *', '2026-10-24T12:00+02:00', ['2026-10-25T00:00+02:00', '2026-10-26T00:00+01:00']],
  [berlin, '45 23 * * *', '2026-03-28T12:00+01:00', ['2026-03-28T23:45+01:00', '2026-03-29T23:45+02:00']],
  [berlin, '30 2 29 * *', '2026-03-28T12:00+01:00', ['2026-03-29T03:00+02:00', '2026-04-29T02:30+02:00']],
  [berlin, '0 8 * * MON#1', '2026-03-28T12:00+01:00', ['2026-04-06T08:00+02:00', '2026-05-04T08:00+02:00']],
  [berlin, '0 8 * * FRI#L', '2026-03-01T12:00+01:00', ['2026-03-27T08:00+01:00', '2026-04-24T08:00+02:00']],
  [berlin, '0 8 LW * *', '2026-05-01T12:00+02:00', ['2026-05-29T08:00+02:00', '2026-06-30T08:00+02:00']],
  [berlin, '0 8 15W * *', '2026-03-01T12:00+01:00', ['2026-03-16T08:00+01:00', '2026-04-15T08:00+02:00']],
  [berlin, '0 8 1 * +MON', '2026-03-01T12:00+01:00', ['2026-06-01T08:00+02:00', '2027-02-01T08:00+01:00']],
  [berlin, '0 8 1 * MON', '2026-03-01T12:00+01:00', ['2026-03-02T08:00+01:00', '2026-03-09T08:00+01:00']],

  // Lord Howe: half an hour. 2026-10-04 has no 02:00 to 02:29, 2026-04-05 has 01:30 to 01:59 twice.
  [lordHowe, '15 2 * * *', '2026-10-03T12:00+10:30', ['2026-10-04T02:30+11:00', '2026-10-05T02:15+11:00']],
  [lordHowe, '30 2 * * *', '2026-10-03T12:00+10:30', ['2026-10-04T02:30+11:00', '2026-10-05T02:30+11:00']],
  [lordHowe, '0 2 * * *', '2026-10-03T12:00+10:30', ['2026-10-04T02:30+11:00', '2026-10-05T02:00+11:00']],
  [lordHowe, '*/15 * * * *', '2026-10-04T01:30+10:30', ['2026-10-04T01:45+10:30', '2026-10-04T02:30+11:00']],
  [lordHowe, '45 1 * * *', '2026-04-04T12:00+11:00', ['2026-04-05T01:45+11:00', '2026-04-06T01:45+10:30']],
  [lordHowe, '30 1 * * *', '2026-04-04T12:00+11:00', ['2026-04-05T01:30+11:00', '2026-04-06T01:30+10:30']],
  [lordHowe, '30 2 * * *', '2026-04-04T12:00+11:00', ['2026-04-05T02:30+10:30', '2026-04-06T02:30+10:30']],
  [
    lordHowe,
    '*/15 * * * *',
    '2026-04-05T01:15+11:00',
    [
      '2026-04-05T01:30+11:00',
      '2026-04-05T01:45+11:00',
      '2026-04-05T01:30+10:30',
      '2026-04-05T01:45+10:30',
      '2026-04-05T02:00+10:30',
    ],
  ],

  // Cairo: 2026-04-24 begins at 01:00, 2026-10-29 has 23:00 to 23:59 twice.
  [cairo, '0 0 * * *', '2026-04-23T12:00+02:00', ['2026-04-24T01:00+03:00', '2026-04-25T00:00+03:00']],
  [cairo, '30 0 * * *', '2026-04-23T12:00+02:00', ['2026-04-24T01:00+03:00', '2026-04-25T00:30+03:00']],
  [cairo, '@daily', '2026-04-23T12:00+02:00', ['2026-04-24T01:00+03:00', '2026-04-25T00:00+03:00']],
  [cairo, '30 1 * * *', '2026-04-23T12:00+02:00', ['2026-04-24T01:30+03:00', '2026-04-25T01:30+03:00']],
  [cairo, '0 * * * *', '2026-04-23T22:30+02:00', ['2026-04-23T23:00+02:00', '2026-04-24T01:00+03:00']],
  [cairo, '30 23 * * *', '2026-10-29T12:00+03:00', ['2026-10-29T23:30+03:00', '2026-10-30T23:30+02:00']],
  [cairo, '0 0 * * *', '2026-10-29T12:00+03:00', ['2026-10-30T00:00+02:00', '2026-10-31T00:00+02:00']],
  [
    cairo,
    '*/30 * * * *',
    '2026-10-29T22:30+03:00',
    [
      '2026-10-29T23:00+03:00',
      '2026-10-29T23:30+03:00',
      '2026-10-29T23:00+02:00',
      '2026-10-29T23:30+02:00',
      '2026-10-30T00:00+02:00',
    ],
  ],

  // Santiago: 2026-09-06 begins at 01:00, 2026-04-04 has 23:00 to 23:59 twice.
  [santiago, '0 0 * * *', '2026-09-05T12:00-04:00', ['2026-09-06T01:00-03:00', '2026-09-07T00:00-03:00']],
  [santiago, '30 23 * * *', '2026-04-04T12:00-03:00', ['2026-04-04T23:30-03:00', '2026-04-05T23:30-04:00']],

  // Zones and offsets that never change.
  ['UTC', '30 2 * * *', '2026-03-07T12:00Z', ['2026-03-08T02:30Z', '2026-03-09T02:30Z']],
  ['Asia/Kathmandu', '0 0 * * *', '2026-03-07T12:00+05:45', ['2026-03-08T00:00+05:45', '2026-03-09T00:00+05:45']],
  ['Asia/Kolkata', '30 2 * * *', '2026-03-07T12:00+05:30', ['2026-03-08T02:30+05:30', '2026-03-09T02:30+05:30']],
  ['+05:30', '30 2 * * *', '2026-03-07T12:00+05:30', ['2026-03-08T02:30+05:30', '2026-03-09T02:30+05:30']],
  ['-03:30', '0 0 * * *', '2026-03-07T12:00-03:30', ['2026-03-08T00:00-03:30', '2026-03-09T00:00-03:30']],
  ['+14:00', '0 0 1 1 *', '2026-12-31T12:00+14:00', ['2027-01-01T00:00+14:00', '2028-01-01T00:00+14:00']],

  // The calendar.
  ['UTC', '0 0 29 2 *', '2026-01-01T00:00Z', ['2028-02-29T00:00Z', '2032-02-29T00:00Z']],
  ['UTC', '0 0 29 2 *', '2096-03-01T00:00Z', ['2104-02-29T00:00Z', '2108-02-29T00:00Z']],
  ['UTC', '0 0 31 * *', '2026-01-31T00:00Z', ['2026-03-31T00:00Z', '2026-05-31T00:00Z']],
  ['UTC', '0 0 L * *', '2027-12-31T12:00Z', ['2028-01-31T00:00Z', '2028-02-29T00:00Z', '2028-03-31T00:00Z']],
  ['UTC', '0 0 30,31 * *', '2026-02-01T00:00Z', ['2026-03-30T00:00Z', '2026-03-31T00:00Z', '2026-04-30T00:00Z']],
  ['UTC', '59 59 23 31 12 *', '2026-01-01T00:00Z', ['2026-12-31T23:59:59Z', '2027-12-31T23:59:59Z']],
  ['UTC', '* * * * * *', '2026-01-01T00:00:00.400Z', ['2026-01-01T00:00:01Z', '2026-01-01T00:00:02Z']],
  ['UTC', '0 0 * * 7', '2026-03-07T12:00Z', ['2026-03-08T00:00Z', '2026-03-15T00:00Z']],
  [
    'UTC',
    '0 0 * * FRI-SUN',
    '2026-03-05T12:00Z',
    ['2026-03-06T00:00Z', '2026-03-07T00:00Z', '2026-03-08T00:00Z', '2026-03-13T00:00Z'],
  ],
  ['UTC', '0 0 1 JAN-MAR *', '2026-02-02T00:00Z', ['2026-03-01T00:00Z', '2027-01-01T00:00Z']],
])('in %s, "%s" after %s is due at %j', (tz, expr, after, due) => {
  const schedule = parseSchedule({ kind: 'cron', expr, tz, now: Date.parse(after) })
  expect(iso(upcoming(schedule, Date.parse(after), due.length))).toEqual(iso(due))
})

const zones = [newYork, berlin, lordHowe, cairo, santiago, 'Europe/London', 'Pacific/Auckland', 'America/Havana', 'UTC']

test.each(
  zones.flatMap((zone) =>
    ['0 0', '30 0', '0 1', '30 1', '45 1', '0 2', '15 2', '30 2', '0 3', '30 23'].map((time) => [time, zone] as const),
  ),
)('a job at "%s" runs exactly once on each day of a year in %s, asked forwards and backwards', (time, zone) => {
  const schedule = cron(`${time} * * *`, zone)
  const from = Date.parse('2026-01-02T12:00:00Z')
  const until = Date.parse('2027-01-02T12:00:00Z')
  const forwards = walk(schedule, from, until)
  const dayOf = new Intl.DateTimeFormat('en-CA', { timeZone: zone, dateStyle: 'short' })
  const days = forwards.map((at) => dayOf.format(at))
  expect(new Set(days).size).toBe(days.length)
  expect(days).toHaveLength(365)

  expect(walkBack(schedule, from, until)).toEqual(forwards)
})

test.each([
  [newYork, '2026-03-07', '2026-10-31'],
  [berlin, '2026-03-28', '2026-10-24'],
  [lordHowe, '2026-04-04', '2026-10-03'],
  [cairo, '2026-04-23', '2026-10-29'],
  [santiago, '2026-04-04', '2026-09-05'],
])(
  'a job each half hour keeps its pace in %s through the changes after %s and %s, asked both ways',
  (zone, ...days) => {
    const schedule = cron('*/30 * * * *', zone)
    for (const from of days.map((day) => Date.parse(day))) {
      const forwards = walk(schedule, from, from + 3 * dayMs)
      expect(forwards).toHaveLength((3 * dayMs) / 1_800_000)
      expect(new Set(forwards.slice(1).map((at, index) => at - (forwards[index] ?? 0)))).toEqual(new Set([1_800_000]))
      expect(walkBack(schedule, from, from + 3 * dayMs)).toEqual(forwards)
    }
  },
)

function walk(schedule: Schedule, from: number, until: number): number[] {
  const times: number[] = []
  for (let at = nextAfter(schedule, from); at !== null && at <= until; at = nextAfter(schedule, at)) times.push(at)
  return times
}

function walkBack(schedule: Schedule, from: number, until: number): number[] {
  const times: number[] = []
  for (const at of latestUpTo(schedule, until, from)) {
    if (at <= from) break
    times.push(at)
  }
  return times.reverse()
}

test('what is due at a time is among the latest up to it, and not after it', () => {
  const at = Date.parse('2026-03-08T09:00:00Z')
  for (const schedule of [cron('0 9 * * *', 'UTC'), { kind: 'every', every_ms: dayMs } as const]) {
    expect(latestUpTo(schedule, at, at).next().value).toBe(at)
    expect(latestUpTo(schedule, at + 1, at).next().value).toBe(at)
    expect(latestUpTo(schedule, at - 1, at).next().value).toBe(at - dayMs)
    expect(nextAfter(schedule, at, at)).toBe(at + dayMs)
    expect(nextAfter(schedule, at - 1, at)).toBe(at)
  }
})

test('an interval stays on the grid of its known time, before and after it', () => {
  const schedule = { kind: 'every', every_ms: 10_000 } as const
  expect(nextAfter(schedule, 1_000)).toBe(11_000)
  expect(nextAfter(schedule, 34_999, 5_000)).toBe(35_000)
  expect(nextAfter(schedule, 35_000, 5_000)).toBe(45_000)
  expect(nextAfter(schedule, 4_000, 105_000)).toBe(5_000)
  expect(upcoming(schedule, 7_000, 3, 5_000)).toEqual([15_000, 25_000, 35_000])
  const latest = latestUpTo(schedule, 27_000, 5_000)
  expect([latest.next().value, latest.next().value, latest.next().value]).toEqual([25_000, 15_000, 5_000])
})

test('a one-shot is due once', () => {
  const schedule = { kind: 'once', at: 5_000 } as const
  expect(nextAfter(schedule, 4_999)).toBe(5_000)
  expect(nextAfter(schedule, 5_000)).toBeNull()
  expect(upcoming(schedule, 0, 5)).toEqual([5_000])
  expect([...latestUpTo(schedule, 5_000, 5_000)]).toEqual([5_000])
  expect([...latestUpTo(schedule, 4_999, 5_000)]).toEqual([])
})

test.each<[tz: string, given: string, due: string]>([
  [newYork, '2026-03-08T02:30', '2026-03-08T03:00-04:00'],
  [newYork, '2026-11-01T01:30', '2026-11-01T01:30-04:00'],
  [newYork, '2026-11-01T01:30-05:00', '2026-11-01T01:30-05:00'],
  [lordHowe, '2026-10-04 02:15:30', '2026-10-04T02:30+11:00'],
  [cairo, '2026-04-24T00:00:00', '2026-04-24T01:00+03:00'],
  [berlin, '2026-07-01T09:00:00.250', '2026-07-01T09:00:00.250+02:00'],
  [berlin, '2026-07-01T09:00Z', '2026-07-01T09:00Z'],
  [berlin, '2026-07-01t09:00 +05:30', '2026-07-01T09:00+05:30'],
  ['+05:30', '2028-02-29T00:00', '2028-02-29T00:00+05:30'],
  ['UTC', '9999-12-31T23:59:59', '9999-12-31T23:59:59Z'],
])('in %s, the one-shot %s is due at %s', (tz, expr, due) => {
  const schedule = parseSchedule({ kind: 'once', expr, tz, now: Date.parse('2026-01-01T00:00Z') })
  expect(schedule).toEqual({ kind: 'once', at: Date.parse(due) })
})
