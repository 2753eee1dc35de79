import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let keel: Daemon
let upstream: Upstream

beforeAll(async () => {
  upstream = await startUpstream({ status: 500 })
  const breaker = '[circuit_breaker]\nthreshold = 3\ncooldown_seconds = 1\nmax_cooldown_seconds = 60\n'
  keel = await startDaemon({ config: upstreamConfig(upstream.url, `${breaker}\n[cache]\nenabled = false\n`) })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

const status = () => keel.client.breaker.getBreakerStatus()
const ask = () => keel.client.agent.sendMessage({ body: { content: 'anybody?', no_cache: true } })

test('three failures open it, its cooldown makes it half open, a failed probe doubles the wait, a good one closes it', async () => {
  expect((await status()).note).toBe('closed')
  const { id: session_id } = await keel.client.sessions.createSession({ body: { nickname: 'Breaker' } })
  for (let i = 0; i < 3 && (await status()).note === 'closed'; i++) {
    const answer = await keel.client.agent.sendMessage({ body: { content: `try ${i}`, session_id } })
    expect(answer.content).toMatch(/provider/)
  }
  expect(await status()).toMatchObject({
    note: 'open: mock',
    providers: { mock: { state: 'open', blocked: true, current_cooldown_seconds: 1, retry_at: expect.any(String) } },
  })
  await eventually('it is half open', async () => (await status()).note === 'half: 1 provider')
  expect((await status()).providers.mock).toMatchObject({ state: 'half_open', blocked: false })
  await ask()
  expect(await status()).toMatchObject({
    note: 'open: mock',
    providers: { mock: { state: 'open', current_cooldown_seconds: 2 } },
  })
  upstream.script({ text: 'Back again.' })
  await eventually('it is half open again', async () => (await status()).note === 'half: 1 provider')
  expect((await ask()).content).toBe('Back again.')
  expect(await status()).toMatchObject({ note: 'closed', providers: { mock: { state: 'closed', failure_count: 0 } } })
  const { events } = await keel.client.events.listEvents({ query: { limit: 1000, types: 'breaker_changed' } })
  expect(events.filter(({ provider }) => provider === 'mock').at(-1)).toMatchObject({ to: 'closed' })
}, 15_000)

test('a provider that has done nothing yet is reset all the same', async () => {
  expect(await keel.client.breaker.resetBreaker({ params: { provider: 'keel' } })).toEqual({
    provider: 'keel',
    state: 'closed',
    reset: true,
  })
})
