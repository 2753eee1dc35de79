import { cronPattern } from './cron-pattern.ts'
import type { Schedule } from './schedule.ts'

/*
 * When a schedule is due, in milliseconds since 1970. An interval has no times of its own: they lie on the grid that
 * goes through `known`, a time at which it is or was due.
 */

/** The first time after `after`; of an interval that has not begun, one interval later. null: never again. */
export function nextAfter(schedule: Schedule, after: number, known: number = after): number | null {
  switch (schedule.kind) {
    case 'cron':
      return cronPattern(schedule.expr, schedule.tz).nextRun(new Date(after))?.getTime() ?? null
    case 'every':
      return onGrid(after, schedule.every_ms, known) + schedule.every_ms
    case 'once':
      return schedule.at > after ? schedule.at : null
  }
}

/** The times up to and with `upTo`, the latest first; without end unless the schedule has a beginning. */
export function* latestUpTo(schedule: Schedule, upTo: number, known: number): Generator<number, void, void> {
  switch (schedule.kind) {
    case 'cron':
      return yield* latestCron(cronPattern(schedule.expr, schedule.tz), upTo)
    case 'every':
      for (let at = onGrid(upTo, schedule.every_ms, known); ; at -= schedule.every_ms) yield at
    case 'once':
      if (schedule.at <= upTo) yield schedule.at
  }
}

/** The next `count` times after `after`, or fewer where it ends before. */
export function upcoming(schedule: Schedule, after: number, count: number, known: number = after): number[] {
  const times: number[] = []
  for (let at = nextAfter(schedule, after, known); at !== null && times.length < count; ) {
    times.push(at)
    at = nextAfter(schedule, at, known)
  }
  return times
}

/** The last time of the grid that is not after `at`. */
function onGrid(at: number, everyMs: number, known: number): number {
  return known + Math.floor((at - known) / everyMs) * everyMs
}

function* latestCron(pattern: ReturnType<typeof cronPattern>, upTo: number): Generator<number, void, void> {
  // It is asked for what lies before a time.
  let before = upTo + 1
  for (;;) {
    const at = pattern.previousRuns(1, new Date(before))[0]?.getTime()
    if (at === undefined) return
    yield at
    before = at
  }
}
