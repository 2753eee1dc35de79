import { expect, test } from 'vitest'
import { isErrorOf } from '#sdk/errors.ts'
import { normalizeExpr, parseSchedule, type ScheduleWords } from '#sdk/schedule/parse-schedule.ts'

const now = Date.parse('2026-03-01T00:00:00Z')

function parse(words: ScheduleWords) {
  return parseSchedule({ ...words, now })
}

function refusal(words: ScheduleWords): string {
  try {
    parse(words)
  } catch (thrown) {
    if (isErrorOf(thrown, 'invalid')) return thrown.message
    throw thrown
  }
  throw new Error('it was accepted')
}

test.each([
  ['', 'is required for the kind cron'],
  ['  \n ', 'is required for the kind cron'],
  ['0 0 * *', 'has 4 fields; a cron expression has 5, or 6 with seconds first'],
  ['*', 'has 1 field; a cron expression has 5, or 6 with seconds first'],
  ['0 0 0 1 1 * 2027', 'has 7 fields; a cron expression has 5, or 6 with seconds first'],
  [`${'1,'.repeat(130)}1 * * * *`, 'exceeds max length (256)'],
  ['61 * * * *', "minute '61' must be from 0 to 59"],
  ['60 * * * * *', "second '60' must be from 0 to 59"],
  ['* 24 * * *', "hour '24' must be from 0 to 23"],
  ['0 0 0 * *', "day of month '0' must be from 1 to 31"],
  ['0 0 32 * *', "day of month '32' must be from 1 to 31"],
  ['0 0 1 13 *', "month '13' must be from 1 to 12, or JAN to DEC"],
  ['0 0 1 janu *', "month 'janu' must be from 1 to 12, or JAN to DEC"],
  ['0 0 * * 8', "day of week '8' must be from 0 to 7, or SUN to SAT"],
  ['0 0 * * monday', "day of week 'monday' must be from 0 to 7, or SUN to SAT"],
  ['0 0 * * L', "day of week 'L' must be from 0 to 7, or SUN to SAT"],
  ['-5 * * * *', "minute '' must be from 0 to 59"],
  ['1.5 * * * *', "minute '1.5' must be from 0 to 59"],
  ['0 0 * JAN-99 *', "month '99' must be from 1 to 12, or JAN to DEC"],
  ['0 22-2 * * *', "hour '22-2' ends before it begins"],
  ['0 0 * * 5-0', "day of week '5-0' ends before it begins"],
  ['0 0 * * FRI-MON', "day of week 'FRI-MON' ends before it begins"],
  ['0,,5 * * * *', "minute '0,,5' has an empty part"],
  ['0, * * * *', "minute '0,' has an empty part"],
  ['0 0 * * +', "day of week '+' has an empty part"],
  ['0 0 +1 * *', "day of month '+1' must be from 1 to 31"],
  ['1-2-3 * * * *', "minute '1-2-3' is no range"],
  ['*/0 * * * *', "minute '*/0' must step by 1 to 60"],
  ['*/90 * * * *', "minute '*/90' must step by 1 to 60"],
  ['*/x * * * *', "minute '*/x' must step by 1 to 60"],
  ['*/5/2 * * * *', "minute '*/5/2' has more than one step"],
  ['5/10 * * * *', "minute '5/10' steps through no range; write 5-59/10"],
  ['/10 * * * *', "minute '/10' steps through no range; write */10"],
  ['0 0 LW,3 * *', "day of month 'LW,3' has LW in a list"],
  ['0 0 1-15W * *', "day of month '15W' must be from 1 to 31"],
  ['0 0 * * 5#6', "day of week '5#6' must end in #1 to #5, or #L"],
  ['0 0 * * 5#1#2', "day of week '5#1#2' must end in #1 to #5, or #L"],
  ['0 0 30 2 *', 'never due (30 February)'],
  ['0 0 31 APR *', 'never due (31 APR)'],
  ['0 0 31 2,4,6 *', 'never due (31 2,4,6)'],
  ['0 0 30-31 2 *', 'never due (day of month 30-31, month 2, day of week *)'],
  ['@reboot', 'has 1 field; a cron expression has 5, or 6 with seconds first'],
  ['TZ=Mars/Base 0 9 * * *', "'Mars/Base' is no time zone"],
  ['CRON_TZ= 0 9 * * *', "'' is no time zone"],
])('the cron expression "%s" is refused: %s', (expr, message) => {
  expect(refusal({ kind: 'cron', expr })).toBe(`schedule_expr: ${message}`)
})

test.each([
  ['Mars/Base', "schedule_tz: 'Mars/Base' is no time zone"],
  ['', "schedule_tz: '' is no time zone"],
  ['UTC+25:00', "schedule_tz: 'UTC+25:00' is no time zone"],
  ['UTC+5', "schedule_tz: 'UTC+5' is no time zone"],
  ['x'.repeat(300), `schedule_tz: '${'x'.repeat(64)}' is no time zone`],
])('the time zone "%s" is refused', (tz, message) => {
  expect(refusal({ kind: 'cron', expr: '0 9 * * *', tz })).toBe(message)
  expect(refusal({ kind: 'once', expr: '2030-01-01T09:00', tz })).toBe(message)
})

test.each([
  ['every', '', 'is required for the kind every'],
  ['every', null, 'is required for the kind every'],
  ['interval', '5x', "'5x' is no interval; write 30s, 5m, 1h or 2d"],
  ['every', 'm', "'m' is no interval; write 30s, 5m, 1h or 2d"],
  ['every', '-5m', "'-5m' is no interval; write 30s, 5m, 1h or 2d"],
  ['every', '1.5h', "'1.5h' is no interval; write 30s, 5m, 1h or 2d"],
  ['every', '1h 30m', "'1h 30m' is no interval; write 30s, 5m, 1h or 2d"],
  ['every', '0', "'0' is shorter than 1 second"],
  ['every', '999ms', "'999ms' is shorter than 1 second"],
  ['every', '367d', "'367d' is longer than 366 days"],
  ['every', '99999999999999d', "'99999999999999d' is longer than 366 days"],
] as const)('the interval (%s) "%s" is refused: %s', (kind, expr, message) => {
  expect(refusal({ kind, expr })).toBe(`schedule_expr: ${message}`)
})

const noTime = 'is no time; write 2030-03-08T09:30, and Z or an offset where it has one'

test.each([
  ['once', undefined, 'is required for the kind once'],
  ['at', 'tomorrow', `'tomorrow' ${noTime}`],
  ['at', '2030-03-08', `'2030-03-08' ${noTime}`],
  ['at', '2030-03-08T25:00', `'2030-03-08T25:00' ${noTime}`],
  ['at', '2030-03-08T09:60', `'2030-03-08T09:60' ${noTime}`],
  ['at', '0099-03-08T09:00', `'0099-03-08T09:00' ${noTime}`],
  ['at', '2030-03-08T09:00[Europe/Berlin]', `'2030-03-08T09:00[Europe/Berlin]' ${noTime}`],
  ['once', '2030-02-30T09:00', 'there is no 2030-02-30'],
  ['once', '2027-02-29T09:00Z', 'there is no 2027-02-29'],
  ['once', '2030-13-01T09:00', `'2030-13-01T09:00' ${noTime}`],
  ['once', '2030-00-01T09:00', `'2030-00-01T09:00' ${noTime}`],
  ['once', '2030-03-08T09:00+99:00', "'+99:00' is no time zone"],
  ['once', '2026-02-28T23:59:59Z', "'2026-02-28T23:59:59Z' is in the past"],
  ['once', '2026-03-01T00:00:00Z', "'2026-03-01T00:00:00Z' is in the past"],
  ['once', '2026-03-01T01:00+01:00', "'2026-03-01T01:00+01:00' is in the past"],
] as const)('the time (%s) "%s" is refused: %s', (kind, expr, message) => {
  expect(refusal({ kind, expr })).toBe(`schedule_expr: ${message}`)
})

test.each([
  ['0 9 * * *', undefined, { expr: '0 9 * * *', tz: 'UTC' }],
  ['  0   9 * *\t*  ', 'europe/berlin', { expr: '0 9 * * *', tz: 'Europe/Berlin' }],
  ['TZ=Asia/Kolkata 0 9 * * *', 'Europe/Berlin', { expr: '0 9 * * *', tz: 'Asia/Kolkata' }],
  ['CRON_TZ=America/New_York 0 0 9 * * MON', undefined, { expr: '0 0 9 * * MON', tz: 'America/New_York' }],
  ['TZ=Z 0 9 * * *', 'Europe/Berlin', { expr: '0 9 * * *', tz: 'UTC' }],
  ['0 9 * * *', 'UTC+05:30', { expr: '0 9 * * *', tz: '+05:30' }],
  ['0 9 * * *', '-03:30', { expr: '0 9 * * *', tz: '-03:30' }],
  ['@daily', 'utc', { expr: '@daily', tz: 'UTC' }],
  ['0,30 9-17/2 1,15,L jan-mar,12 mon-fri', undefined, { expr: '0,30 9-17/2 1,15,L jan-mar,12 mon-fri', tz: 'UTC' }],
  ['? ? ? * ?', undefined, { expr: '? ? ? * ?', tz: 'UTC' }],
  ['0 0 * * FRIL', undefined, { expr: '0 0 * * FRIL', tz: 'UTC' }],
  ['0 0 29 2 +MON#5', undefined, { expr: '0 0 29 2 +MON#5', tz: 'UTC' }],
] as const)('the cron expression "%s" in %s is understood', (expr, tz, schedule) => {
  expect(parse({ kind: 'cron', expr, tz })).toEqual({ kind: 'cron', ...schedule })
  expect(normalizeExpr({ kind: 'cron', expr })).toBe(schedule.expr)
})

test.each([
  ['30', 30_000, '30s'],
  ['45s', 45_000, '45s'],
  ['60s', 60_000, '60s'],
  ['5m', 300_000, '5m'],
  [' 1 H ', 3_600_000, '1h'],
  ['2d', 172_800_000, '2d'],
  ['1500ms', 1_500, '1500ms'],
  ['366d', 366 * 86_400_000, '366d'],
] as const)('the interval "%s" is %d ms, and kept as %s', (expr, every_ms, kept) => {
  for (const kind of ['every', 'interval'] as const) {
    expect(parse({ kind, expr })).toEqual({ kind: 'every', every_ms })
    expect(normalizeExpr({ kind, expr })).toBe(kept)
    expect(parse({ kind, expr: kept })).toEqual({ kind: 'every', every_ms })
  }
})

test('the text of a one-shot is kept as it was given', () => {
  expect(normalizeExpr({ kind: 'at', expr: ' 2030-03-08T09:30 ' })).toBe('2030-03-08T09:30')
  expect(parse({ kind: 'at', expr: '2030-03-08T09:30' })).toEqual({ kind: 'once', at: Date.UTC(2030, 2, 8, 9, 30) })
})
