import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Daemon, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

/*
 * What a change of the configuration does to a Keel that runs: it acts with the next request, without a restart.
 */

let keel: Daemon
let upstream: Upstream

beforeAll(async () => {
  upstream = await startUpstream({ text: 'An answer.' }, { models: ['test-model'] })
  keel = await startDaemon({
    config: upstreamConfig(
      upstream.url,
      '[cache]\nenabled = false\n\n[channels.telegram]\nwebhook_secret = "whs-very-secret"\n',
    ),
  })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
})

beforeEach(() => keel.client.breaker.resetBreaker({ params: { provider: 'mock' } }))

const userFile = () => join(keel.home, 'keel.toml')
const put = (body: Record<string, unknown>) => keel.client.config.updateConfig({ body })
const ask = async (content: string) => {
  const { id } = await keel.client.sessions.createSession({ body: { nickname: 'Live' } })
  return keel.client.agent.sendMessage({ body: { content, session_id: id } })
}

test('the cache is switched on', async () => {
  await ask('How many legs has a crab?')
  expect((await ask('How many legs has a crab?')).cached).toBe(false)
  expect(await put({ cache: { enabled: true } })).toMatchObject({ updated: true, persisted: true })
  expect(await keel.client.config.getConfig()).toMatchObject({ cache: { enabled: true } })
  await ask('How many legs has a crab?')
  expect((await ask('How many legs has a crab?')).cached).toBe(true)
  expect((await keel.client.stats.getCacheStats()).enabled).toBe(true)
})

test('a question that leans on its conversation is never answered from another one', async () => {
  const conversation = async (subject: string) => {
    const first = await ask(`Tell me about ${subject}.`)
    return (content: string) => keel.client.agent.sendMessage({ body: { content, session_id: first.session_id } })
  }
  const [crabs, bees] = [await conversation('crabs'), await conversation('bees')]
  expect((await crabs('continue')).cached).toBe(false)
  expect((await bees('continue')).cached).toBe(false)
})

test('a provider is added, used, counted and guarded', async () => {
  await put({ providers: { later: { url: upstream.url, format: 'openai', is_local: true, models: ['test-model'] } } })
  const answer = await keel.client.agent.sendMessage({
    body: { content: 'hello, new one', model: 'later/test-model', no_cache: true },
  })
  expect(answer.model).toBe('later/test-model')
  const { providers } = await keel.client.stats.getCapacity()
  expect(providers.later).toMatchObject({ requests_used: 1, tokens_used: 18 })
  expect((await keel.client.breaker.getBreakerStatus()).providers).toHaveProperty('later')
})

test('the threshold of the breakers counts at once', async () => {
  await put({ circuit_breaker: { threshold: 1 } })
  upstream.script({ status: 500 })
  await keel.client.agent.sendMessage({ body: { content: 'fail once', no_cache: true } })
  expect(await keel.client.breaker.getBreakerStatus()).toMatchObject({
    note: 'open: mock',
    config: { threshold: 1 },
    providers: { mock: { state: 'open' } },
  })
  upstream.script({ text: 'An answer.' })
  await put({ circuit_breaker: { threshold: 3 } })
})

test('a file that was edited is noticed, and what it says is running once it is put', async () => {
  appendFileSync(userFile(), '\n[agent]\nname = "Edited"\n')
  expect((await keel.client.config.getConfigStatus()).status.drift).toBe(true)
  expect((await keel.client.health.getHealth()).agent).toBe('Keel')
  expect(await put({ agent: { name: 'Edited' } })).toMatchObject({ updated: true })
  expect((await keel.client.health.getHealth()).agent).toBe('Edited')
  expect((await keel.client.config.getConfigStatus()).status.drift).toBe(false)
})

test('a file that is broken is told as such, and nothing changes', async () => {
  const good = readFileSync(userFile(), 'utf8')
  writeFileSync(userFile(), `${good}\n[[[`)
  await expect(put({ agent: { name: 'Never' } })).rejects.toMatchObject({
    message: expect.stringContaining('keel.toml'),
  })
  expect((await keel.client.health.getHealth()).agent).toBe('Edited')
  writeFileSync(userFile(), good)
  expect(await put({ agent: { name: 'Mended' } })).toMatchObject({ updated: true })
})

test('many changes at once are all kept', async () => {
  const names = Array.from({ length: 8 }, (_, i) => `p${i}`)
  const updates = await Promise.all(
    names.map((name) => put({ providers: { [name]: { url: upstream.url, format: 'openai', is_local: true } } })),
  )
  expect(updates.every(({ updated }) => updated)).toBe(true)
  const { providers } = (await keel.client.config.getConfig()) as { providers: object }
  expect(Object.keys(providers)).toEqual(expect.arrayContaining(names))
})

test('a secret that comes back as its placeholder stays, and a wrong value is refused without telling it', async () => {
  await put({ channels: { telegram: { webhook_secret: '***', allowed_chat_ids: [] } } })
  expect(readFileSync(userFile(), 'utf8')).toContain('whs-very-secret')
  const answer = await keel.fetch('/api/config', {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ channels: { telegram: { webhook_secret: ['another-secret-value'] } } }),
  })
  expect(answer.status).toBe(400)
  expect(await answer.text()).not.toContain('another-secret-value')
  expect(await (await keel.fetch('/api/logs?lines=1000')).text()).not.toMatch(/whs-very-secret|another-secret-value/)
})

test('the rate limits count at once; health is never limited', async () => {
  await put({ server: { per_actor_rate_limit_requests: 1 } })
  const refused = await keel.fetch('/api/sessions')
  expect(refused.status).toBe(429)
  expect(await refused.json()).toMatchObject({ error: 'rate_limit_exceeded', message: expect.any(String) })
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect((await keel.fetch('/api/health')).status).toBe(200)
})
