import { expect, test } from 'vitest'
import { exprOf } from '#kernel/scheduler/job-input.ts'
import { readWhen } from '#kernel/scheduler/when.ts'

const vienna = 'Europe/Vienna'
/** A Saturday evening; the next morning the clocks of Vienna go from 02:00 to 03:00. */
const now = Date.parse('2026-03-28T20:00:00.000Z')

function at(text: string, zone = vienna, from = now): string {
  const schedule = readWhen(text, from, zone)
  if (schedule.kind !== 'once') throw new Error(`'${text}' comes again`)
  return new Date(schedule.at).toISOString()
}

test.each([
  ['in 10 minutes', '2026-03-28T20:10:00.000Z'],
  ['10m', '2026-03-28T20:10:00.000Z'],
  ['2h', '2026-03-28T22:00:00.000Z'],
  ['1h30m', '2026-03-28T21:30:00.000Z'],
  ['in two hours', '2026-03-28T22:00:00.000Z'],
  ['In half an hour', '2026-03-28T20:30:00.000Z'],
  ['in 90 seconds', '2026-03-28T20:01:30.000Z'],
  ['23:30', '2026-03-28T22:30:00.000Z'],
  ['at 22:15', '2026-03-28T21:15:00.000Z'],
  ['2026-04-01T09:00:00Z', '2026-04-01T09:00:00.000Z'],
  ['2026-04-01T09:00:00+05:30', '2026-04-01T03:30:00.000Z'],
  ['please, tomorrow 09:30 EST', '2026-03-29T14:30:00.000Z'],
])('%s', (text, expected) => {
  expect(at(text)).toBe(expected)
})

test.each([
  // A span is one, whatever the clocks do.
  ['in 6 hours', '2026-03-29T02:00:00.000Z'],
  ['in 24 hours', '2026-03-29T20:00:00.000Z'],
  // A time of day is what they show.
  ['at 18:30', '2026-03-29T16:30:00.000Z'],
  ['tomorrow at 9:00', '2026-03-29T07:00:00.000Z'],
  ['tomorrow', '2026-03-29T19:00:00.000Z'],
  ['in 2 days', '2026-03-30T19:00:00.000Z'],
  ['next monday at 8am', '2026-03-30T06:00:00.000Z'],
  ['on 3 April at 14:00', '2026-04-03T12:00:00.000Z'],
  ['2026-04-01T09:00', '2026-04-01T07:00:00.000Z'],
  ['2026-04-01 09:00', '2026-04-01T07:00:00.000Z'],
  // There is no such minute on that day: the first one after the gap.
  ['tomorrow at 2:30', '2026-03-29T01:00:00.000Z'],
])('%s lies behind the night in which the clocks are changed', (text, expected) => {
  expect(at(text)).toBe(expected)
})

test('a time that comes twice in a night is meant the first time', () => {
  const autumn = Date.parse('2026-10-24T20:00:00.000Z')
  expect(at('tomorrow at 2:30', vienna, autumn)).toBe('2026-10-25T00:30:00.000Z')
  expect(at('tomorrow at 9:00', vienna, autumn)).toBe('2026-10-25T08:00:00.000Z')
})

test('what day it is the zone says', () => {
  expect(at('tomorrow at 9:00', 'Pacific/Auckland')).toBe('2026-03-29T20:00:00.000Z')
  expect(at('tomorrow at 9:00', 'America/Los_Angeles')).toBe('2026-03-29T16:00:00.000Z')
  expect(at('at 9pm', 'Asia/Kolkata')).toBe('2026-03-29T15:30:00.000Z')
  expect(at('tomorrow at 9:00', '+05:30')).toBe('2026-03-30T03:30:00.000Z')
})

test.each([
  ['every 5m', { kind: 'every', every_ms: 300_000 }, '300s'],
  ['every 5 minutes', { kind: 'every', every_ms: 300_000 }, '300s'],
  ['Every hour', { kind: 'every', every_ms: 3_600_000 }, '3600s'],
  ['every 2 days', { kind: 'every', every_ms: 172_800_000 }, '172800s'],
  ['every day at 9', { kind: 'cron', expr: '0 9 * * *', tz: vienna }, '0 9 * * *'],
  ['daily at 7:15pm', { kind: 'cron', expr: '15 19 * * *', tz: vienna }, '15 19 * * *'],
  ['every weekday at 8:30', { kind: 'cron', expr: '30 8 * * 1-5', tz: vienna }, '30 8 * * 1-5'],
  ['every Monday at noon', { kind: 'cron', expr: '0 12 * * 1', tz: vienna }, '0 12 * * 1'],
  ['every wednesday at 9:00', { kind: 'cron', expr: '0 9 * * 3', tz: vienna }, '0 9 * * 3'],
  // At the time at which it is said.
  ['every day', { kind: 'cron', expr: '0 21 * * *', tz: vienna }, '0 21 * * *'],
])('%s comes again', (text, schedule, expr) => {
  const read = readWhen(text, now, vienna)
  expect(read).toEqual(schedule)
  expect(exprOf(read)).toBe(expr)
})

test.each([
  ['yesterday', 'in the past'],
  ['5 minutes ago', 'in the past'],
  ['2020-01-01T00:00:00Z', 'in the past'],
  ['now', 'in the past'],
  ['soon', 'is not understood'],
  ['', 'is not understood'],
  ['at 25:00', 'is not understood'],
  ['tomorrow at 9 or at 10', 'is not understood'],
  ['when the cows come home tomorrow', 'is not understood'],
  ['from 10:00 to 11:00', 'is not understood'],
  ['every blue moon', 'is not understood'],
  ['every monday at tomorrow', 'is not understood'],
  ['in 900000 years', 'is'],
  ['every 0 seconds', 'shorter than 1 second'],
  ['every 99999 weeks', 'longer than'],
  [`in ${'1'.repeat(200)} minutes`, 'at most 200 characters'],
])('%j is refused, and says why', (text, words) => {
  expect(() => readWhen(text, now, vienna)).toThrow(expect.objectContaining({ kind: 'invalid' }))
  expect(() => readWhen(text, now, vienna)).toThrow(words)
})
