import { expect, test } from 'vitest'
import { RateLimits } from '#kernel/http/rate-limits.ts'
import { Tickets } from '#kernel/http/tickets.ts'
import { isErrorOf } from '#sdk/errors.ts'

function limitsOf(settings: Partial<Parameters<typeof setUp>[0]> = {}) {
  return setUp({ windowSeconds: 60, global: 100, perIp: 100, perActor: 100, operatorSkipsGlobal: true, ...settings })
}

function setUp(settings: {
  windowSeconds: number
  global: number
  perIp: number
  perActor: number
  operatorSkipsGlobal: boolean
}) {
  const clock = { ms: 1_000_000 }
  const limits = new RateLimits(
    () => settings,
    () => clock.ms,
  )
  /** The seconds to wait when it is refused. */
  const ask = (ip: string, actor?: string, loopback = false): number | 'admitted' => {
    try {
      limits.admit({ ip, actor, loopback })
      return 'admitted'
    } catch (thrown) {
      if (!isErrorOf(thrown, 'rate_limited')) throw thrown
      return thrown.details?.retry_after_seconds ?? 0
    }
  }
  return { clock, limits, settings, ask }
}

test('the window is fixed: the wait is what is left of it, and then all counts begin again', () => {
  const { clock, ask } = limitsOf({ perIp: 2 })
  expect([ask('1.1.1.1'), ask('1.1.1.1')]).toEqual(['admitted', 'admitted'])
  clock.ms += 20_500
  expect(ask('1.1.1.1')).toBe(40)
  expect(ask('1.1.1.2')).toBe('admitted')
  clock.ms += 39_500
  expect(ask('1.1.1.1')).toBe('admitted')
})

test('the whole server: refused requests are not counted, the local operator is not either', () => {
  const { limits, ask } = limitsOf({ global: 1 })
  expect(ask('1.1.1.1')).toBe('admitted')
  expect(ask('1.1.1.2')).toBe(60)
  expect(ask('127.0.0.1', 'api_key:aa', true)).toBe('admitted')
  expect(ask('127.0.0.1', undefined, true)).toBe(60)
  expect(ask('1.1.1.3', 'api_key:aa')).toBe(60)
  expect(limits.stats()).toMatchObject({ global_count: 1, throttled_global: 3 })
})

test('the local operator is counted when the settings say so', () => {
  const { ask } = limitsOf({ global: 1, operatorSkipsGlobal: false })
  expect(ask('127.0.0.1', 'api_key:aa', true)).toBe('admitted')
  expect(ask('127.0.0.1', 'api_key:aa', true)).toBe(60)
})

test('an actor is limited over all its addresses', () => {
  const { limits, ask } = limitsOf({ perActor: 2 })
  expect([ask('1.1.1.1', 'bearer:a'), ask('1.1.1.2', 'bearer:a'), ask('1.1.1.3', 'bearer:a')]).toEqual([
    'admitted',
    'admitted',
    60,
  ])
  expect(ask('1.1.1.3', 'bearer:b')).toBe('admitted')
  expect(limits.stats()).toMatchObject({ active_ips: 3, active_actors: 2, top_throttled_actors: [['bearer:a', 1]] })
})

test('strangers can not use up what the operator has behind the same address', () => {
  const { limits, ask } = limitsOf({ perIp: 1 })
  expect([ask('1.1.1.1'), ask('1.1.1.1'), ask('1.1.1.1')]).toEqual(['admitted', 60, 60])
  expect(ask('1.1.1.1', 'api_key:a')).toBe('admitted')
  expect(limits.stats().top_throttled_ips).toEqual([['1.1.1.1', 2]])
})

test('new numbers hold from the next request on', () => {
  const { settings, ask } = limitsOf({ perIp: 1 })
  ask('1.1.1.1')
  expect(ask('1.1.1.1')).toBe(60)
  settings.perIp = 2
  expect(ask('1.1.1.1')).toBe('admitted')
})

test('the number of addresses a window is bounded', () => {
  const { limits, ask } = limitsOf({ global: 1_000_000 })
  for (let i = 0; i < 10_000; i++) ask(`10.0.${i >> 8}.${i & 255}`)
  expect(ask('1.1.1.1')).toBe(60)
  expect(ask('10.0.0.1')).toBe('admitted')
  expect(limits.stats().active_ips).toBe(10_000)
})

test('a ticket opens once, within its time', () => {
  const clock = { ms: 0 }
  const tickets = new Tickets(() => clock.ms)
  const { ticket, expires_in } = tickets.issue()
  expect(ticket).toMatch(/^wst_[0-9a-f]{64}$/)
  expect(expires_in).toBe(30)
  expect([tickets.redeem(ticket), tickets.redeem(ticket), tickets.redeem('wst_x')]).toEqual([true, false, false])
  const late = tickets.issue().ticket
  clock.ms += 30_000
  expect(tickets.redeem(late)).toBe(false)
  const cleared = tickets.issue().ticket
  tickets.clear()
  expect(tickets.redeem(cleared)).toBe(false)
})

test('outstanding tickets are bounded: the oldest give way', () => {
  const tickets = new Tickets()
  const issued = Array.from({ length: 1_001 }, () => tickets.issue().ticket)
  expect(tickets.redeem(issued[0] as string)).toBe(false)
  expect(tickets.redeem(issued[1] as string)).toBe(true)
  expect(tickets.redeem(issued[1_000] as string)).toBe(true)
})
