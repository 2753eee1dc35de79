import { describe, expect, test } from 'vitest'
import type { SavedBreaker } from '#sdk/services/inference.ts'
import { CircuitBreaker } from '../../services/inference/circuit-breaker.ts'

const settings = { threshold: 3, window_seconds: 60, cooldown_seconds: 60, max_cooldown_seconds: 900 }

function startBreaker({ random = 0.5, saved }: { random?: number; saved?: SavedBreaker } = {}) {
  const clock = { now: 1_000_000 }
  const moves: string[] = []
  let last: SavedBreaker | undefined
  const breaker = new CircuitBreaker(
    'p',
    settings,
    {
      now: () => clock.now,
      random: () => random,
      onTransition(kept, from) {
        moves.push(`${from} → ${kept.state}`)
        last = kept
      },
    },
    saved,
  )
  const fail = (times: number) => {
    for (let i = 0; i < times; i++) breaker.begin().fail('server')
  }
  return { breaker, clock, moves, fail, kept: () => last }
}

test('opens at the threshold, within one window', () => {
  const { breaker, clock, fail } = startBreaker()
  fail(2)
  clock.now += 60_001
  fail(2)
  expect(breaker.admission()).toBe('open')
  fail(1)
  expect(breaker.admission()).toBe('blocked')
})

test('a success in between sets the count back', () => {
  const { breaker, fail } = startBreaker()
  fail(2)
  breaker.begin().succeed()
  fail(2)
  expect(breaker.status(false)).toMatchObject({ state: 'closed', failure_count: 2 })
})

test('lets exactly one probe through, and closes with its success', () => {
  const { breaker, clock, fail, moves } = startBreaker()
  fail(3)
  clock.now += 59_999
  expect(breaker.admission()).toBe('blocked')
  clock.now += 1
  expect(breaker.admission()).toBe('probe')
  const probe = breaker.begin()
  expect(breaker.admission()).toBe('blocked')
  probe.succeed()
  expect(breaker.admission()).toBe('open')
  expect(moves).toEqual(['closed → open', 'open → half_open', 'half_open → closed'])
})

test('a failed probe doubles the cooldown up to the most', () => {
  const { breaker, clock, fail } = startBreaker()
  fail(3)
  const cooldowns: number[] = []
  for (let i = 0; i < 6; i++) {
    clock.now = breaker.retryAt
    expect(breaker.admission()).toBe('probe')
    breaker.begin().fail('timeout')
    cooldowns.push(breaker.status(false).current_cooldown_seconds)
  }
  expect(cooldowns).toEqual([120, 240, 480, 900, 900, 900])
})

test.each([
  [0, 48_000],
  [0.5, 60_000],
  [1, 72_000],
])('spreads the reopening by a fifth either way (dice %d)', (random, waitMs) => {
  const { breaker, clock, fail } = startBreaker({ random })
  fail(3)
  expect(breaker.retryAt - clock.now).toBeCloseTo(waitMs)
})

test('a probe without a verdict gives its place to the next', async () => {
  const { breaker, clock, fail } = startBreaker()
  fail(3)
  clock.now += 60_000
  breaker.admission()
  const probe = breaker.begin()
  const settled = breaker.probing
  probe.release()
  await settled
  expect(breaker.admission()).toBe('probe')
})

test('a call from before does not pass for the probe', () => {
  const { breaker, clock, fail } = startBreaker()
  const early = breaker.begin()
  fail(3)
  clock.now += 60_000
  breaker.admission()
  const probe = breaker.begin()
  early.fail('server')
  expect(breaker.status(false)).toMatchObject({ state: 'half_open', current_cooldown_seconds: 60 })
  probe.succeed()
  expect(breaker.status(false).state).toBe('closed')
})

test('a success from before it opened does not close it', () => {
  const { breaker, fail } = startBreaker()
  const [before, limited] = [breaker.begin(), breaker.begin()]
  limited.fail('rate_limit', 60_000)
  before.succeed()
  expect(breaker.admission()).toBe('blocked')
  breaker.reset()
  const early = breaker.begin()
  fail(3)
  early.succeed()
  expect(breaker.status(false)).toMatchObject({ state: 'open', failure_count: 3 })
  breaker.begin().succeed()
  expect(breaker.status(false).state).toBe('closed')
})

test('a probe has its verdict with the first words, and counts what comes after as any other call', () => {
  const { breaker, clock, fail, moves } = startBreaker()
  fail(3)
  clock.now += 60_000
  expect(breaker.admission()).toBe('probe')
  const probe = breaker.begin()
  probe.heard()
  probe.heard()
  expect(breaker.admission()).toBe('open')
  probe.fail('reset')
  expect(breaker.status(false)).toMatchObject({ state: 'closed', failure_count: 1, current_cooldown_seconds: 60 })
  expect(moves).toEqual(['closed → open', 'open → half_open', 'half_open → closed'])
})

test('the first words of a call that is no probe say nothing', () => {
  const { breaker, fail } = startBreaker()
  const early = breaker.begin()
  fail(3)
  early.heard()
  expect(breaker.admission()).toBe('blocked')
})

test.each([
  ['every second call fails', 2, 'open'],
  ['every third call fails', 3, 'closed'],
] as const)('when %s, successes in between help only so far', (_, every, state) => {
  const { breaker } = startBreaker()
  for (let i = 1; i <= 30; i++) {
    if (breaker.admission() !== 'open') break
    if (i % every === 0) breaker.begin().fail('server')
    else breaker.begin().succeed()
  }
  expect(breaker.status(false).state).toBe(state)
})

test('failures of another window do not speak against a provider', () => {
  const { breaker, clock } = startBreaker()
  for (let i = 0; i < 20; i++) {
    clock.now += 7_000
    if (i % 2 === 0) breaker.begin().fail('server')
    else breaker.begin().succeed()
  }
  expect(breaker.status(false).state).toBe('closed')
})

test('a refused request never counts, and as a probe shows that the provider is there', () => {
  const { breaker, clock, fail } = startBreaker()
  for (let i = 0; i < 10; i++) breaker.begin().fail('rejected')
  expect(breaker.status(false)).toMatchObject({ state: 'closed', failure_count: 0 })
  fail(3)
  clock.now += 60_000
  breaker.admission()
  breaker.begin().fail('rejected')
  expect(breaker.status(false).state).toBe('closed')
})

test('a rate limit waits as long as told, five seconds when not told, and counts nothing', () => {
  const { breaker, clock } = startBreaker()
  breaker.begin().fail('rate_limit', 2_000)
  expect(breaker.retryAt - clock.now).toBe(2_000)
  clock.now += 2_000
  expect(breaker.admission()).toBe('probe')
  breaker.begin().fail('rate_limit')
  expect(breaker.retryAt - clock.now).toBe(5_000)
  expect(breaker.status(false)).toMatchObject({ failure_count: 0, current_cooldown_seconds: 60 })
})

describe.each([
  ['quota', 'credit_tripped'],
  ['authentication', 'auth_tripped'],
] as const)('%s', (category, flag) => {
  test('opens at once and stays, whatever else happens, until the key changes', () => {
    const { breaker, clock, moves } = startBreaker()
    const late = breaker.begin()
    breaker.begin().fail(category)
    breaker.begin().fail(category)
    late.succeed()
    clock.now += 86_400_000
    expect(breaker.admission()).toBe('blocked')
    expect(breaker.mayBeRisked).toBe(false)
    expect(breaker.blockedBy).toBe(category)
    expect(breaker.status(false)[flag]).toBe(true)
    expect(moves).toEqual(['closed → open'])
    breaker.keyChanged()
    expect(breaker.admission()).toBe('open')
    expect(breaker.status(false)[flag]).toBe(false)
  })

  test('is cleared by a reset', () => {
    const { breaker } = startBreaker()
    breaker.begin().fail(category)
    breaker.reset()
    expect(breaker.status(false)).toMatchObject({ state: 'closed', [flag]: false })
  })
})

test('an operator opens it until a reset: neither time, success nor a new key closes it', () => {
  const { breaker, clock } = startBreaker()
  const late = breaker.begin()
  breaker.forceOpen()
  late.succeed()
  breaker.keyChanged()
  clock.now += 86_400_000
  expect(breaker.status(false)).toMatchObject({ state: 'open', blocked: true, operator_forced_open: true })
  breaker.reset()
  expect(breaker.status(false)).toMatchObject({ state: 'closed', operator_forced_open: false })
})

test('comes back as it was, with its cooldown still running', () => {
  const { fail, kept, clock } = startBreaker()
  fail(3)
  const saved = kept()
  const again = startBreaker({ ...(saved ? { saved } : {}) })
  again.clock.now = clock.now + 59_999
  expect(again.breaker.admission()).toBe('blocked')
  again.clock.now += 1
  expect(again.breaker.admission()).toBe('probe')
})

test('shows pressure on capacity as half open, without keeping anyone out', () => {
  const { breaker } = startBreaker()
  expect(breaker.status(true)).toMatchObject({ state: 'half_open', blocked: false, capacity_pressure: true })
  expect(breaker.admission()).toBe('open')
})

test('new settings count at once', () => {
  const { breaker, fail, clock } = startBreaker()
  breaker.configure({ ...settings, threshold: 1, cooldown_seconds: 5 })
  fail(1)
  expect(breaker.retryAt - clock.now).toBe(5_000)
})
