import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import type { CatchUpPolicy, OverlapPolicy } from '#sdk/services/scheduler.ts'
import { createScheduler } from '../../services/scheduler/scheduler.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { schedulerScene } from '../support/scheduler-scene.ts'

const minute = 60_000
const start = Date.parse('2026-03-02T12:00:00Z')

/** What becomes of the occurrences of an hourly job for which nobody was there, the latest being `late` ago; and of what was under way. */
interface Outcome {
  /** How many ran in the end. */
  ran: number
  /** In how many rows the others are told of, by status. */
  told: string[]
  /** The largest number under way at once. */
  atOnce: number
}

const none = { ran: 0, told: ['skipped'], atOnce: 0 }

/** Five hours missed, and nothing under way. */
const missed: Record<CatchUpPolicy, Record<OverlapPolicy, Outcome>> = {
  skip: { forbid: none, queue: none, replace: none, allow: none },
  once: {
    forbid: { ran: 1, told: ['skipped'], atOnce: 1 },
    queue: { ran: 1, told: ['skipped'], atOnce: 1 },
    replace: { ran: 1, told: ['skipped'], atOnce: 1 },
    allow: { ran: 1, told: ['skipped'], atOnce: 1 },
  },
  all: {
    forbid: { ran: 5, told: [], atOnce: 1 },
    queue: { ran: 5, told: [], atOnce: 1 },
    replace: { ran: 1, told: ['cancelled', 'cancelled', 'cancelled', 'cancelled'], atOnce: 1 },
    allow: { ran: 5, told: [], atOnce: 5 },
  },
}

const cases = Object.entries(missed).flatMap(([catch_up, byOverlap]) =>
  Object.entries(byOverlap).map(([overlap, outcome]) => ({
    catch_up: catch_up as CatchUpPolicy,
    overlap: overlap as OverlapPolicy,
    outcome,
  })),
)

test.each(cases)('five hours missed, $catch_up and $overlap', async ({ catch_up, overlap, outcome }) => {
  const { addJob, connect, runs } = schedulerScene()
  const clock = new FakeClock(start)
  addJob({ schedule_expr: '1h', catch_up, overlap }, start)
  await clock.jump(5.5 * 60 * minute)
  const kernel = connect()
  let underWay = 0
  let atOnce = 0
  const { perform } = kernel
  kernel.perform = async (held, options) => {
    underWay += 1
    atOnce = Math.max(atOnce, underWay)
    await clock.sleep(minute, options?.signal ?? new AbortController().signal)
    underWay -= 1
    return await perform(held, options)
  }
  const service = await createScheduler(kernel, pino({ enabled: false }), clock)
  onTestFinished(() => void service.close?.())
  await clock.advance(20 * minute)
  const [ran, others] = [
    runs().filter(({ status }) => status === 'success'),
    runs().filter(({ status }) => status !== 'success'),
  ]
  expect({ ran: ran.length, told: others.map(({ status }) => status), atOnce }).toEqual(outcome)
  expect(ran.every(({ trigger }) => trigger === 'catch_up')).toBe(true)
  // Whatever the policy, each of the five is told of once.
  const counted = runs().reduce((sum, { missed_count }) => sum + (missed_count ?? 1), 0)
  expect(counted).toBe(5)
  // The schedule goes on as if nothing had been.
  await clock.advance(15 * minute)
  expect(runs().at(-1)).toMatchObject({ scheduled_for: '2026-03-02T18:00:00.000Z', trigger: 'schedule' })
})
