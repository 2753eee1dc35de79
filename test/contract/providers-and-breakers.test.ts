import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Daemon, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let keel: Daemon
let upstream: Upstream

beforeAll(async () => {
  upstream = await startUpstream({ text: 'An answer.' }, { models: ['test-model', 'another'] })
  const cloud = `[providers.cloud]\nurl = "${upstream.url}"\nformat = "openai"\nmodels = ["m"]\nis_local = false\napi_key_env = "KEEL_TEST_CLOUD_KEY"\n`
  keel = await startDaemon({ config: upstreamConfig(upstream.url, `${cloud}\n[cache]\nenabled = false\n`) })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

beforeEach(async () => {
  upstream.script({ text: 'An answer.' })
  await keel.client.breaker.resetBreaker({ params: { provider: 'mock' } })
})

const ask = (model = 'mock/test-model') =>
  keel.client.compat.createChatCompletion({ body: { model, messages: [{ role: 'user', content: 'hello' }] } })
const failure = () =>
  ask().then(
    () => null,
    (error: unknown) => error,
  )

describe('models', () => {
  test('what providers offer is listed, and what is configured even when nobody answers', async () => {
    const listing = await keel.client.models.listAvailableModels({ query: { validation_level: 'list' } })
    expect(listing.models).toEqual(expect.arrayContaining(['mock/another', 'mock/test-model']))
    expect(listing).toMatchObject({
      count: listing.models.length,
      proxy: { mode: 'in_process' },
      validation_level: 'list',
    })
    expect(listing.providers).toMatchObject({
      mock: { status: 'ok', count: 2 },
      cloud: { status: 'skipped', reason: 'missing_api_key' },
    })
    const one = await keel.client.models.listAvailableModels({ query: { provider: 'cloud' } })
    expect(Object.keys(one.providers)).toEqual(['cloud'])
    expect(one.models).toContain('mock/test-model')
  })

  test('each choice of a turn is on record, newest first', async () => {
    await keel.client.agent.sendMessage({ body: { content: 'first choice' } })
    await keel.client.agent.sendMessage({ body: { content: 'second choice' } })
    const { events, count } = await keel.client.models.listSelections({ query: { limit: 2 } })
    expect(count).toBe(2)
    expect(events.map(({ user_excerpt }) => user_excerpt)).toEqual(['second choice', 'first choice'])
    expect(events[0]).toMatchObject({
      selected_model: 'mock/test-model',
      executed_model: 'mock/test-model',
      fallback: false,
    })
    expect((await keel.client.models.listSelections({ query: { session_id: 'nobody' } })).events).toEqual([])
  })
})

describe('keys', () => {
  test('one is stored, used with the next call, never shown, and removed', async () => {
    const stored = await keel.client.providers.setProviderKey({
      params: { name: 'cloud' },
      query: { validate: true },
      body: { api_key: 'sk-cloud-0123456789' },
    })
    expect(stored).toEqual({ stored: true, provider: 'cloud', keystore_entry: 'cloud_api_key', validated: true })
    await ask('cloud/m')
    expect(upstream.requests.at(-1)?.headers.authorization).toBe('Bearer sk-cloud-0123456789')
    for (const path of [
      '/api/config',
      '/api/logs?lines=1000',
      '/api/events?limit=1000',
      '/api/models/available?refresh=true',
    ]) {
      expect(await (await keel.fetch(path)).text()).not.toContain('sk-cloud-0123456789')
    }
    expect(readFileSync(join(keel.home, 'keel.db')).includes('sk-cloud-0123456789')).toBe(false)
    expect(readFileSync(join(keel.home, 'keel.db-wal')).includes('sk-cloud-0123456789')).toBe(false)
    const removed = { removed: true, provider: 'cloud', keystore_entry: 'cloud_api_key' }
    expect(await keel.client.providers.deleteProviderKey({ params: { name: 'cloud' } })).toEqual(removed)
    expect(await keel.client.providers.deleteProviderKey({ params: { name: 'cloud' } })).toEqual({
      ...removed,
      removed: false,
    })
  })

  test('an unknown provider is 404, and a key with a space in it 400', async () => {
    const params = { name: 'nobody' }
    await expect(keel.client.providers.setProviderKey({ params, body: { api_key: 'sk-x' } })).rejects.toMatchObject({
      kind: 'not_found',
    })
    await expect(keel.client.providers.deleteProviderKey({ params })).rejects.toMatchObject({ kind: 'not_found' })
    await expect(
      keel.client.providers.setProviderKey({ params: { name: 'cloud' }, body: { api_key: 'sk x' } }),
    ).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('api_key') })
  })
})

describe('breakers', () => {
  const status = async () => (await keel.client.breaker.getBreakerStatus()).providers.mock

  test('all are closed to begin with, with the parameters of the configuration', async () => {
    expect(await keel.client.breaker.getBreakerStatus()).toMatchObject({
      note: 'closed',
      providers: { mock: { state: 'closed', blocked: false, credit_tripped: false, operator_forced_open: false } },
      config: { threshold: 3, cooldown_seconds: 60, max_cooldown_seconds: 900, window_seconds: 60 },
    })
  })

  test('failures open one, and then the provider is left alone', async () => {
    upstream.script({ status: 500 })
    for (let i = 0; i < 3 && (await status())?.state === 'closed'; i++) await failure()
    expect(await status()).toMatchObject({ state: 'open', blocked: true, last_error: 'server' })
    expect((await keel.client.breaker.getBreakerStatus()).note).toBe('open: mock')
    expect(await keel.client.agent.getAgentStatus()).toMatchObject({
      state: 'running',
      health: 'down',
      primary_provider_state: 'open',
    })
    expect(await keel.client.breaker.resetBreaker({ params: { provider: 'mock' } })).toEqual({
      provider: 'mock',
      state: 'closed',
      reset: true,
    })
    upstream.script({ text: 'An answer.' })
    expect((await ask()).choices[0]?.message.content).toBe('An answer.')
  })

  test('an empty account opens it until it is reset, also over a restart of the service', async () => {
    upstream.script({ status: 402, error: { message: 'insufficient quota' } })
    await failure()
    expect(await status()).toMatchObject({ state: 'open', credit_tripped: true })
    await keel.client.services.restartService({ params: { name: 'inference' } })
    expect(await status()).toMatchObject({ state: 'open', credit_tripped: true })
    await keel.client.breaker.resetBreaker({ params: { provider: 'mock' } })
    expect(await status()).toMatchObject({ state: 'closed', credit_tripped: false })
  })

  test('a refused key opens it until another is stored', async () => {
    upstream.script({ status: 401 })
    await failure()
    expect(await status()).toMatchObject({ state: 'open', auth_tripped: true })
    await keel.client.providers.setProviderKey({ params: { name: 'mock' }, body: { api_key: 'sk-the-right-one' } })
    expect(await status()).toMatchObject({ state: 'closed', auth_tripped: false })
  })

  test('a request that was wrong in itself counts for nothing', async () => {
    upstream.script({ status: 400, error: { message: 'the context is too long' } })
    for (let i = 0; i < 5; i++) await failure()
    expect(await status()).toMatchObject({ state: 'closed', failure_count: 0 })
  })

  test('an operator holds it open, and the change is announced', async () => {
    const { last_seq: since } = await keel.client.events.listEvents({ query: { limit: 1000 } })
    expect(await keel.client.breaker.openBreaker({ params: { provider: 'mock' } })).toEqual({
      provider: 'mock',
      state: 'open',
      blocked: true,
      operator_forced_open: true,
    })
    expect(await failure()).toMatchObject({ kind: expect.stringMatching(/upstream_failed|unavailable/) })
    await keel.client.breaker.resetBreaker({ params: { provider: 'mock' } })
    const { events } = await keel.client.events.listEvents({ query: { since, types: 'breaker_changed' } })
    expect(events).toMatchObject([
      { provider: 'mock', to: 'open' },
      { provider: 'mock', to: 'closed' },
    ])
  })

  test('an unknown provider is 404', async () => {
    for (const act of [keel.client.breaker.resetBreaker, keel.client.breaker.openBreaker]) {
      await expect(act({ params: { provider: 'nobody' } })).rejects.toMatchObject({
        kind: 'not_found',
        message: "unknown provider 'nobody'",
      })
    }
  })
})
