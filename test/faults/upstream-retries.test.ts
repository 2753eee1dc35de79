import { afterAll, expect, test } from 'vitest'
import type { InferenceSettings } from '#sdk/services/inference.ts'
import { providerAt, requestWith, settingsWith, startInference } from '../support/inference-service.ts'
import { startUpstream } from '../support/upstream.ts'
import type { UpstreamReply } from '../support/upstream-reply.ts'

const closers: (() => Promise<void>)[] = []
afterAll(async () => {
  await Promise.all(closers.map((close) => close()))
})

/** A primary that does as it is told, and a spare that answers; `times` holds when the primary was called, in milliseconds. */
async function start({
  random = 0,
  routing = {},
}: {
  random?: number
  routing?: Partial<InferenceSettings['routing']>
} = {}) {
  let reply: UpstreamReply = {}
  let clock = Date.now()
  const times: number[] = []
  const primary = await startUpstream(() => {
    times.push(performance.now())
    return reply
  })
  const spare = await startUpstream({ text: 'From the spare.' })
  const settings = settingsWith([providerAt('primary', primary.url), providerAt('spare', spare.url)], { routing })
  const service = await startInference({ settings }, { random: () => random, now: () => clock })
  closers.push(async () => {
    await service.close()
    await Promise.all([primary.close(), spare.close()])
  })
  const { inference } = service
  return {
    primary,
    times,
    inference,
    ask: (change: Parameters<typeof requestWith>[0] = {}) => inference.complete(requestWith(change)),
    breaker: async () => (await inference.status({})).breakers.primary,
    reply(next: UpstreamReply) {
      reply = next
    },
    pass(ms: number) {
      clock += ms
    },
  }
}

const gaps = (times: number[]) => times.slice(1).map((time, index) => time - (times[index] ?? 0))
/** Timers may be this early, in milliseconds. */
const early = 2

test.concurrent('the wait before each retry is drawn from twice the span of the one before', async () => {
  const { ask, reply, times } = await start({ random: 0.4 })
  await ask()
  times.length = 0
  reply({ status: 500 })
  expect(await ask()).toMatchObject({ model: 'spare/m', failures: [{ category: 'server' }] })
  expect(times).toHaveLength(3)
  const [first = 0, second = 0] = gaps(times)
  expect(first).toBeGreaterThanOrEqual(0.4 * 250 - early)
  expect(second).toBeGreaterThanOrEqual(0.4 * 500 - early)
})

test.concurrent('a server that says how long to wait is asked no sooner', async () => {
  const { ask, reply, times } = await start()
  reply({ status: 503, headers: { 'retry-after-ms': '300' } })
  expect((await ask()).model).toBe('spare/m')
  expect(times).toHaveLength(3)
  for (const gap of gaps(times)) expect(gap).toBeGreaterThanOrEqual(300 - early)
})

test.concurrent('one that wants more patience than there is is not asked again', async () => {
  const { ask, reply, times, breaker } = await start()
  reply({ status: 503, headers: { 'retry-after': '11' } })
  const startedAt = performance.now()
  expect((await ask()).model).toBe('spare/m')
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  expect(times).toHaveLength(1)
  expect(await breaker()).toMatchObject({ state: 'closed', failure_count: 1 })
})

test.concurrent('all waits of one target together are bounded', async () => {
  const { ask, reply, times } = await start()
  reply({ status: 503, headers: { 'retry-after-ms': '5100' } })
  expect((await ask()).model).toBe('spare/m')
  expect(times).toHaveLength(2)
})

test.concurrent('a caller who leaves during a wait ends it, and there is no further call', async () => {
  const { inference, reply, times, primary, breaker } = await start()
  reply({ status: 503, headers: { 'retry-after': '9' } })
  const leaving = new AbortController()
  const answer = inference.complete(requestWith(), { signal: leaving.signal })
  await primary.received(1)
  await expect.poll(async () => (await breaker())?.failure_count).toBe(1)
  leaving.abort()
  await expect(answer).rejects.toMatchObject({ kind: 'cancelled' })
  expect(times).toHaveLength(1)
})

test.concurrent('a wait leaves the next model its time', async () => {
  const { ask, reply, times } = await start({
    routing: { max_total_inference_seconds: 1, per_provider_timeout_seconds: 0.5 },
  })
  reply({ status: 503, headers: { 'retry-after': '9' } })
  expect((await ask()).model).toBe('spare/m')
  expect(times).toHaveLength(1)
})

test.concurrent.each([
  [2_000, 'answers 500', { status: 500 }],
  [200, 'resets', { fault: 'reset' }],
  [200, 'does not accept the key', { status: 401 }],
  [200, 'is at its limit', { status: 429, headers: { 'retry-after': '30' } }],
] as const)('of %i requests, 8 at a time, at most 10 reach a primary that %s', async (requests, _, fault) => {
  const { ask, reply, times, pass, inference, breaker } = await start()
  expect((await ask()).model).toBe('primary/m')
  times.length = 0
  reply(fault)
  let left = requests
  const caller = async () => {
    while (left-- > 0) expect((await ask()).model).toBe('spare/m')
  }
  await Promise.all(Array.from({ length: 8 }, caller))
  expect(times.length).toBeGreaterThan(0)
  expect(times.length).toBeLessThanOrEqual(10)
  const { length: calls } = times
  const isSticky = 'status' in fault && fault.status === 401
  pass(72_000)
  await Promise.all(Array.from({ length: 8 }, () => ask()))
  expect(times.length - calls).toBe(isSticky ? 0 : 1)
  reply({})
  pass(900_000)
  if (isSticky) await inference.keyChanged({ provider: 'primary' })
  expect((await ask()).model).toBe('primary/m')
  expect((await breaker())?.state).toBe('closed')
})

test.concurrent('a probe that has begun to answer holds nobody back', async () => {
  const { ask, inference, reply, pass, primary, breaker } = await start()
  const pinned = { model: 'primary/m', fallback: false }
  reply({ status: 500 })
  await expect(ask(pinned)).rejects.toThrow('provider server error')
  pass(72_000)
  reply({ chunks: ['Slowly, ', 'very ', 'slowly.'], fault: 'hang', afterChunks: 2 })
  const leaving = new AbortController()
  const begun = Promise.withResolvers<void>()
  const probe = inference.complete(requestWith({ ...pinned, stream: true }), {
    signal: leaving.signal,
    onChunk: ({ type }) => {
      if (type === 'text') begun.resolve()
    },
  })
  await begun.promise
  reply({})
  expect((await ask(pinned)).model).toBe('primary/m')
  expect((await breaker())?.state).toBe('closed')
  leaving.abort()
  await expect(probe).rejects.toMatchObject({ kind: 'cancelled' })
  await primary.requests.at(-2)?.ended
  expect(await breaker()).toMatchObject({ state: 'closed', failure_count: 0 })
})
