import { expect, test } from 'vitest'
import type { Schedule } from '#sdk/schedule/schedule.ts'
import { type CatchUpPolicy, type DueJob, schedulerBounds } from '#sdk/services/scheduler.ts'
import { planOf, restartedPlan, unreadablePlan, walkedOccurrences } from '../../services/scheduler/plan.ts'

const hour = 3_600_000
const settings = { catch_up_window_ms: 24 * hour }
const noon = Date.parse('2026-03-02T12:00:00Z')

const hourly: Schedule = { kind: 'cron', expr: '0 * * * *', tz: 'UTC' }
const eachHour: Schedule = { kind: 'every', every_ms: hour }

function job(schedule: Schedule, next_run_at: number, catch_up: CatchUpPolicy): DueJob {
  return { id: 'j', revision: 7, schedule, next_run_at, catch_up }
}

const unaware = 'missed, and not to be caught up'
const standIn = 'missed; the one that is due now stands for them'
const lastOnly = 'missed; the last one is caught up and stands for them'
const late = 'missed longer ago than 24 h'
const bounded = 'missed; at most 100 of the last 24 h are caught up'

interface Case {
  policy: CatchUpPolicy
  /** Hours before noon at which the job was due, and how late it is looked at past noon. */
  due: number
  lateMs: number
  /** Hours before noon. */
  caughtUp: number[]
  onTime: boolean
  missed: [from: number, to: number, count: number, reason: string] | null
}

const onTime: Case[] = (['skip', 'once', 'all'] as const).flatMap((policy) =>
  [0, 1, 30_000, schedulerBounds.graceMs].map((lateMs) => ({
    policy,
    due: 0,
    lateMs,
    caughtUp: [],
    onTime: true,
    missed: null,
  })),
)

const matrix: Case[] = [
  ...onTime,
  // Late by a moment more than the grace.
  { policy: 'skip', due: 0, lateMs: 60_001, caughtUp: [], onTime: false, missed: [0, 0, 1, unaware] },
  { policy: 'once', due: 0, lateMs: 60_001, caughtUp: [0], onTime: false, missed: null },
  { policy: 'all', due: 0, lateMs: 60_001, caughtUp: [0], onTime: false, missed: null },
  // Some were missed, and one is on time.
  { policy: 'skip', due: 3, lateMs: 5_000, caughtUp: [], onTime: true, missed: [3, 1, 3, unaware] },
  { policy: 'once', due: 3, lateMs: 5_000, caughtUp: [], onTime: true, missed: [3, 1, 3, standIn] },
  { policy: 'all', due: 3, lateMs: 5_000, caughtUp: [3, 2, 1], onTime: true, missed: null },
  // All were missed.
  { policy: 'skip', due: 3, lateMs: hour / 2, caughtUp: [], onTime: false, missed: [3, 0, 4, unaware] },
  { policy: 'once', due: 3, lateMs: hour / 2, caughtUp: [0], onTime: false, missed: [3, 1, 3, lastOnly] },
  { policy: 'all', due: 3, lateMs: hour / 2, caughtUp: [3, 2, 1, 0], onTime: false, missed: null },
  // Some were missed longer ago than the window.
  { policy: 'skip', due: 30, lateMs: hour / 2, caughtUp: [], onTime: false, missed: [30, 0, 31, unaware] },
  { policy: 'once', due: 30, lateMs: hour / 2, caughtUp: [0], onTime: false, missed: [30, 1, 30, lastOnly] },
  {
    policy: 'all',
    due: 30,
    lateMs: hour / 2,
    caughtUp: Array.from({ length: 24 }, (_, index) => 23 - index),
    onTime: false,
    missed: [30, 24, 7, bounded],
  },
]

test.each(
  [hourly, eachHour].flatMap((schedule) => matrix.map((given) => ({ kind: schedule.kind, schedule, ...given }))),
)('$kind under $policy, due $due h before and looked at $lateMs ms late, runs on time: $onTime', (given) => {
  const { schedule, policy, due, lateMs, missed } = given
  const first = noon - due * hour
  const plan = planOf(job(schedule, first, policy), noon + lateMs, settings)
  expect(plan).toEqual({
    job_id: 'j',
    revision: 7,
    expected_next: first,
    runs: [
      ...given.caughtUp.map((hours) => ({ scheduled_for: noon - hours * hour, trigger: 'catch_up' })),
      ...(given.onTime ? [{ scheduled_for: noon, trigger: 'schedule' }] : []),
    ],
    missed: missed && {
      first: noon - missed[0] * hour,
      last: noon - missed[1] * hour,
      count: missed[2],
      reason: missed[3],
    },
    next_run_at: noon + hour,
  })
})

test.each<[CatchUpPolicy, number, 'schedule' | 'catch_up' | null, string | null]>([
  ['skip', 60_000, 'schedule', null],
  ['once', 60_000, 'schedule', null],
  ['all', 60_000, 'schedule', null],
  ['skip', 60_001, null, unaware],
  ['once', 60_001, 'catch_up', null],
  ['all', 60_001, 'catch_up', null],
  ['once', 24 * hour, 'catch_up', null],
  ['all', 24 * hour, 'catch_up', null],
  ['once', 24 * hour + 1, null, late],
  ['all', 24 * hour + 1, null, late],
])('a one-shot under %s that is %d ms late runs as %s, and never again', (policy, lateMs, trigger, reason) => {
  const plan = planOf(job({ kind: 'once', at: noon }, noon, policy), noon + lateMs, settings)
  expect(plan).toMatchObject({
    runs: trigger ? [{ scheduled_for: noon, trigger }] : [],
    missed: reason === null ? null : { first: noon, last: noon, count: 1, reason },
    next_run_at: null,
  })
})

test.each<CatchUpPolicy>(['once', 'all'])(
  'a daily job under %s whose last time is past the window is not caught up',
  (policy) => {
    const plan = planOf(job(hourly, noon - hour, policy), noon + hour / 2, { catch_up_window_ms: hour / 4 })
    expect(plan).toMatchObject({
      runs: [],
      missed: { first: noon - hour, last: noon, count: 2, reason: 'missed longer ago than 0.25 h' },
    })
  },
)

test.each<[string, Schedule]>([
  ['cron', { kind: 'cron', expr: '* * * * *', tz: 'Europe/Berlin' }],
  ['every', { kind: 'every', every_ms: 60_000 }],
])('%s: all catches up the latest hundred, the oldest first, and the rest is one row', (_, schedule) => {
  const plan = planOf(job(schedule, noon - 8 * hour, 'all'), noon + 5_000, settings)
  expect(plan.runs).toHaveLength(101)
  expect(plan.runs[0]).toEqual({ scheduled_for: noon - 100 * 60_000, trigger: 'catch_up' })
  expect(plan.runs.at(-1)).toEqual({ scheduled_for: noon, trigger: 'schedule' })
  expect(plan.missed).toEqual({ first: noon - 8 * hour, last: noon - 101 * 60_000, count: 380, reason: bounded })
})

test.each<[string, Schedule]>([
  ['cron', { kind: 'cron', expr: '* * * * * *', tz: 'UTC' }],
  ['every', { kind: 'every', every_ms: 1_000 }],
])('%s: what was missed is counted up to a bound, and the row says that there were more', (_, schedule) => {
  const plan = planOf(job(schedule, noon - 300 * 24 * hour, 'once'), noon, settings)
  expect(plan.runs).toEqual([{ scheduled_for: noon, trigger: 'schedule' }])
  expect(plan.missed).toEqual({
    first: noon - 300 * 24 * hour,
    last: noon - 1_000,
    count: walkedOccurrences - 1,
    reason: `more than ${walkedOccurrences - 1} were missed; ${standIn}`,
  })
})

test('a job that waited for a time which its schedule no longer has runs for it', () => {
  const plan = planOf(job(hourly, noon + 90_000, 'once'), noon + 100_000, settings)
  expect(plan).toMatchObject({
    runs: [{ scheduled_for: noon + 90_000, trigger: 'schedule' }],
    next_run_at: noon + hour,
  })
})

test('a time in a gap of the clock is caught up like any other', () => {
  const nightly: Schedule = { kind: 'cron', expr: '30 2 * * *', tz: 'America/New_York' }
  const due = Date.parse('2026-03-08T03:00:00-04:00')
  const plan = planOf(job(nightly, due, 'once'), due + hour, settings)
  expect(plan.runs).toEqual([{ scheduled_for: due, trigger: 'catch_up' }])
  expect(plan.next_run_at).toBe(Date.parse('2026-03-09T02:30:00-04:00'))
})

test('a job whose schedule cannot be read is due no more, and says so', () => {
  expect(unreadablePlan(job(hourly, noon, 'once'), 'no such zone')).toEqual({
    job_id: 'j',
    revision: 7,
    expected_next: noon,
    runs: [],
    missed: { first: noon, last: noon, count: 1, reason: 'the schedule cannot be read: no such zone' },
    next_run_at: null,
  })
})

test.each<[string, Schedule, ahead: number, next: number | null]>([
  ['an interval in its place', { kind: 'every', every_ms: 60_000 }, 60_000, null],
  ['an interval too far ahead', { kind: 'every', every_ms: 60_000 }, 90_000, 60_000],
  ['an interval on its old grid', { kind: 'every', every_ms: 60_000 }, 120_000, 59_999],
  ['a cron job in its place', hourly, hour, null],
  ['a cron job too far ahead', hourly, 5 * hour, hour],
  ['a one-shot', { kind: 'once', at: noon + 5 * hour }, 5 * hour, null],
])('after the clock was set back, %s is due again in good time', (_, schedule, ahead, next) => {
  const plan = restartedPlan(job(schedule, noon + ahead, 'once'), noon)
  if (next === null) expect(plan).toBeNull()
  else expect(plan).toMatchObject({ expected_next: noon + ahead, runs: [], missed: null, next_run_at: noon + next })
})
