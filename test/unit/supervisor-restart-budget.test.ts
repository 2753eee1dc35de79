import { expect, test } from 'vitest'
import { RestartBudget } from '#kernel/supervisor/restart-budget.ts'

const budget = { crashes: 5, withinMs: 30_000, longCrashes: 10, longWithinMs: 300_000 }
const failedStart = { readyMs: 0, wasOfUse: false }
const usefulLife = { readyMs: 10, wasOfUse: true }

function budgetAt(random = 0.5) {
  const clock = { now: 1_000_000 }
  return {
    clock,
    restarts: new RestartBudget(
      budget,
      () => clock.now,
      () => random,
    ),
  }
}

test('the first restart is at once, the next ones wait twice as long each, up to ten seconds', () => {
  const { restarts } = budgetAt()
  const delays = Array.from({ length: 10 }, () => restarts.crashed(failedStart).delayMs)
  expect(delays).toEqual([0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000])
})

test.each([
  [0, 0.8],
  [0.999_999, 1.2],
])('waits are spread by a fifth: at %f they are %f of it', (random, share) => {
  const { restarts } = budgetAt(random)
  restarts.crashed(failedStart)
  expect(restarts.crashed(failedStart).delayMs).toBe(100 * share)
})

test('a healthy minute starts the waits anew', () => {
  const { restarts } = budgetAt()
  for (let n = 0; n < 5; n++) restarts.crashed(usefulLife)
  expect(restarts.crashed({ readyMs: 60_000, wasOfUse: true }).delayMs).toBe(0)
  expect(restarts.crashed(usefulLife).delayMs).toBe(90)
})

test('a process that got to work starts the waits of failed starts anew', () => {
  const { restarts } = budgetAt()
  for (let n = 0; n < 4; n++) restarts.crashed(failedStart)
  restarts.crashed(usefulLife)
  expect(restarts.crashed(failedStart).delayMs).toBe(0)
})

test('more failed starts than allowed in the short window exhaust it, spread wider they do not', () => {
  const { clock, restarts } = budgetAt()
  for (let n = 0; n < 5; n++) expect(restarts.crashed(failedStart).exhausted).toBe(false)
  expect(restarts.crashed(failedStart).exhausted).toBe(true)
  const spread = budgetAt()
  for (let n = 0; n < 10; n++) {
    expect(spread.restarts.crashed(failedStart).exhausted).toBe(false)
    spread.clock.now += 7_000
  }
  // The eleventh within five minutes is over the long one.
  expect(spread.restarts.crashed(failedStart).exhausted).toBe(true)
  clock.now += 300_001
  expect(restarts.crashed(failedStart).exhausted).toBe(false)
})

test('processes that were of use are replaced soon, however often, and a little later past the budget', () => {
  const { restarts } = budgetAt()
  const lives = Array.from({ length: 30 }, () => restarts.crashed(usefulLife))
  expect(lives.some(({ exhausted }) => exhausted)).toBe(false)
  expect(lives.slice(0, 5).map(({ delayMs }) => delayMs)).toEqual([0, 90, 190, 390, 390])
  expect(Math.max(...lives.map(({ delayMs }) => delayMs))).toBe(1_490)
  // They do not count against a start that fails.
  expect(restarts.crashed(failedStart)).toEqual({ exhausted: false, delayMs: 0 })
})

test('the time that a process worked is not waited for again', () => {
  const { restarts } = budgetAt()
  const killedEvery = (readyMs: number) =>
    Array.from({ length: 40 }, () => restarts.crashed({ readyMs, wasOfUse: true }).delayMs)
  expect(new Set(killedEvery(1_850))).toEqual(new Set([0]))
  expect(killedEvery(1_000).at(-1)).toBe(500)
})

test('an operator is not held back', () => {
  const { restarts } = budgetAt()
  for (let n = 0; n < 7; n++) restarts.crashed(failedStart)
  restarts.forgive()
  expect(restarts.crashed(failedStart)).toEqual({ exhausted: false, delayMs: 0 })
})
