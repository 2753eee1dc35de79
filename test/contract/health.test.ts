import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { closedUpstreamUrl } from '../support/upstream.ts'

let keel: Daemon

beforeAll(async () => {
  const url = await closedUpstreamUrl()
  keel = await startDaemon({
    config: `[agent]\nname = "Duncan Idaho"\n\n[models]\nprimary = "mock/m"\nfallbacks = ["spare/n"]\n\n[providers.mock]\nurl = "${url}"\nformat = "openai"\nis_local = true\nmodels = ["m"]\n\n[providers.spare]\nurl = "${url}"\nformat = "openai"\nis_local = true\nmodels = ["n"]\n`,
  })
}, 30_000)

afterAll(() => keel.dispose())

test('a fresh server is ok, without a key, and names the models of its configuration', async () => {
  const answer = await fetch(`${keel.url}/api/health`)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
  expect(await answer.json()).toMatchObject({
    status: 'ok',
    version: '0.1.0',
    agent: 'Duncan Idaho',
    uptime_seconds: expect.any(Number),
    models: { primary: 'mock/m', current: 'mock/m', fallbacks: ['spare/n'] },
    checks: {
      database: 'ok',
      services: { agent: expect.any(String), inference: expect.any(String), tools: expect.any(String) },
    },
  })
})

test('other methods are 405 in JSON', async () => {
  const answer = await keel.fetch('/api/health', { method: 'DELETE' })
  expect(answer.status).toBe(405)
  expect(answer.headers.get('allow')).toContain('GET')
  expect(await answer.json()).toEqual({ error: 'method not allowed' })
})

test('it warns while every provider is blocked, at once and still with 200, and is ok when one is back', async () => {
  const { breaker } = keel.client
  for (const name of Object.keys((await breaker.getBreakerStatus()).providers))
    await breaker.openBreaker({ params: { provider: name } })
  expect((await breaker.getBreakerStatus()).note).toMatch(/^open: /)
  const before = performance.now()
  const answer = await fetch(`${keel.url}/api/health`)
  expect(performance.now() - before).toBeLessThan(1_000)
  expect(answer.status).toBe(200)
  expect(await answer.json()).toMatchObject({
    status: 'warning',
    checks: { providers: { mock: 'open', spare: 'open' } },
  })
  await breaker.resetBreaker({ params: { provider: 'spare' } })
  expect(await keel.client.health.getHealth()).toMatchObject({
    status: 'ok',
    providers: expect.arrayContaining([
      { name: 'mock', state: 'open' },
      { name: 'spare', state: 'closed' },
    ]),
  })
})
