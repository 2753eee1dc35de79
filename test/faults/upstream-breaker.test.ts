import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { InferenceSettings } from '#sdk/services/inference.ts'
import {
  eventually,
  providerAt,
  type RunningInference,
  requestWith,
  settingsWith,
  startInference,
} from '../support/inference-service.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let primary: Upstream
let spare: Upstream
let settings: InferenceSettings
let service: RunningInference
let clock = 0
const tools = { random: () => 0.5, now: () => clock }

beforeEach(async () => {
  clock = Date.now()
  primary = await startUpstream()
  spare = await startUpstream()
  settings = settingsWith([providerAt('primary', primary.url), providerAt('spare', spare.url)])
  service = await startInference({ settings }, tools)
})
afterEach(async () => {
  await service.close()
  await Promise.all([primary.close(), spare.close()])
})

const ask = (change: Parameters<typeof requestWith>[0] = {}) => service.inference.complete(requestWith(change))
const pinned = { model: 'primary/m', fallback: false }
const breaker = async () => (await service.inference.status({})).breakers.primary

test('a dead primary is left alone but for one probe each time its cooldown ends', async () => {
  expect((await ask()).model).toBe('primary/m')
  primary.script({ status: 500 })
  for (let i = 0; i < 20; i++) expect((await ask()).model).toBe('spare/m')
  expect(primary.requests).toHaveLength(1 + 3)
  expect(await breaker()).toMatchObject({
    state: 'open',
    blocked: true,
    current_cooldown_seconds: 60,
    last_error: 'server',
  })

  clock += 60_000
  await Promise.all(Array.from({ length: 10 }, () => ask()))
  expect(primary.requests).toHaveLength(1 + 3 + 1)
  expect(await breaker()).toMatchObject({ state: 'open', current_cooldown_seconds: 120 })

  primary.script({})
  clock += 120_000
  expect((await ask()).model).toBe('primary/m')
  expect(await breaker()).toMatchObject({ state: 'closed', failure_count: 0, current_cooldown_seconds: 60 })
  expect(service.kept.breakers.map(({ from, breaker: { state }, reason }) => `${from} → ${state}: ${reason}`)).toEqual([
    'closed → open: server',
    'open → half_open: cooldown_over',
    'half_open → open: server',
    'open → half_open: cooldown_over',
    'half_open → closed: success',
  ])
})

test('with nothing else left, the one whose time is up first is tried all the same', async () => {
  primary.script({ status: 500 })
  spare.script({ status: 500 })
  await expect(ask()).rejects.toThrow('provider server error')
  clock += 1_000
  await expect(ask()).rejects.toThrow('provider server error')
  expect(await breaker()).toMatchObject({ state: 'open', blocked: true })
  expect(primary.requests).toHaveLength(4)
  primary.script({})
  expect((await ask()).model).toBe('primary/m')
  expect((await breaker())?.state).toBe('closed')
})

test('while the only provider is probed, others wait for the verdict', async () => {
  primary.script({ status: 500 })
  await expect(ask(pinned)).rejects.toThrow('provider server error')
  clock += 60_000
  primary.script({ delayMs: 30 })
  const answers = await Promise.all(Array.from({ length: 5 }, () => ask(pinned)))
  expect(answers.map(({ model }) => model)).toEqual(Array(5).fill('primary/m'))
  expect((await breaker())?.state).toBe('closed')
})

test('a probe that its caller cancels leaves the way open for the next', async () => {
  primary.script({ status: 500 })
  await ask()
  clock += 60_000
  primary.script({ fault: 'hang' })
  const before = primary.requests.length
  const leaving = new AbortController()
  const probe = service.inference.complete(requestWith(), { signal: leaving.signal })
  await primary.received(before + 1)
  leaving.abort()
  await expect(probe).rejects.toMatchObject({ kind: 'cancelled' })
  await primary.requests.at(-1)?.ended
  primary.script({})
  expect((await ask()).model).toBe('primary/m')
})

test('a rate limit keeps the provider out for as long as it says, and does not count as a failure', async () => {
  primary.script([{ status: 429, headers: { 'retry-after': '7' } }])
  expect(await ask()).toMatchObject({ model: 'spare/m', failures: [{ category: 'rate_limit' }] })
  expect(await breaker()).toMatchObject({ blocked: true, failure_count: 0, last_error: 'rate_limit' })
  clock += 6_900
  expect((await ask()).model).toBe('spare/m')
  clock += 100
  expect((await ask()).model).toBe('primary/m')
})

test('a Retry-After may be a date', async () => {
  const until = new Date(Date.now() + 20_000).toUTCString()
  primary.script([{ status: 429, headers: { 'retry-after': until } }])
  expect((await ask()).model).toBe('spare/m')
  const waitMs = Date.parse((await breaker())?.retry_at ?? '') - clock
  expect(waitMs).toBeGreaterThan(15_000)
  expect(waitMs).toBeLessThanOrEqual(20_000)
  clock += 20_000
  expect((await ask()).model).toBe('primary/m')
})

test.each(['', 'soon', '-'])('a Retry-After of "%s" says nothing: five seconds then', async (value) => {
  primary.script([{ status: 429, headers: { 'retry-after': value } }])
  await ask()
  expect(Date.parse((await breaker())?.retry_at ?? '') - clock).toBe(5_000)
  clock += 5_000
  expect((await ask()).model).toBe('primary/m')
})

test('a Retry-After beyond a minute is cut to a minute', async () => {
  primary.script([{ status: 429, headers: { 'retry-after': '86400' } }])
  await ask()
  expect(Date.parse((await breaker())?.retry_at ?? '') - clock).toBe(60_000)
  clock += 60_000
  expect((await ask()).model).toBe('primary/m')
})

describe.each([
  ['a wrong key', { status: 401 }, 'auth_tripped', 'provider authentication error'],
  ['an empty account', { status: 402 }, 'credit_tripped', 'provider quota or billing issue'],
  [
    'a used-up quota',
    { status: 429, error: { code: 'insufficient_quota' } },
    'credit_tripped',
    'provider quota or billing issue',
  ],
] as const)('%s', (_, reply, flag, text) => {
  test('keeps the provider out until the key changes', async () => {
    expect((await ask()).model).toBe('primary/m')
    primary.script(reply)
    expect((await ask()).model).toBe('spare/m')
    const calls = primary.requests.length
    clock += 86_400_000
    expect((await ask()).model).toBe('spare/m')
    await expect(ask(pinned)).rejects.toThrow(text)
    expect(primary.requests).toHaveLength(calls)
    expect(await breaker()).toMatchObject({ state: 'open', blocked: true, [flag]: true, retry_at: null })
    primary.script({})
    await service.inference.keyChanged({ provider: 'primary' })
    expect((await ask()).model).toBe('primary/m')
    expect(await breaker()).toMatchObject({ state: 'closed', [flag]: false })
  })

  test('is forgiven when new settings bring another key', async () => {
    primary.script([reply])
    expect((await ask()).model).toBe('spare/m')
    await service.inference.configure({
      ...settings,
      providers: settings.providers.map((provider) => ({ ...provider, api_key: 'another-key' })),
    })
    expect((await ask()).model).toBe('primary/m')
    expect(primary.requests.at(-1)?.headers.authorization).toBe('Bearer another-key')
  })
})

test('a breaker outlives the process: an empty account and an operator keep the provider out, a wrong key is tried once', async () => {
  primary.script([{ status: 402 }])
  await ask()
  await service.inference.openBreaker({ provider: 'spare' })
  await eventually(() => service.kept.breakers.length === 2, 'both changes to be kept')
  const breakers = service.kept.breakers.map(({ breaker: saved }) => saved)
  await service.close()
  service = await startInference({ settings, breakers }, tools)
  await expect(ask()).rejects.toMatchObject({
    details: {
      failures: [
        { model: 'primary/m', category: 'quota' },
        { model: 'spare/m', category: 'breaker' },
      ],
    },
  })
  await service.inference.resetBreaker({ provider: 'spare' })
  spare.script([{ status: 401 }])
  await expect(ask()).rejects.toThrow()
  await eventually(() => service.kept.breakers.some(({ breaker: { auth_tripped } }) => auth_tripped), 'the trip')
  const tripped = service.kept.breakers.flatMap(({ breaker: saved }) => (saved.auth_tripped ? [saved] : []))
  await service.close()
  service = await startInference({ settings, breakers: tripped }, tools)
  expect((await ask({ model: 'spare/m', fallback: false })).model).toBe('spare/m')
  expect((await service.inference.status({})).breakers.spare).toMatchObject({ state: 'closed', auth_tripped: false })
})
