import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, startDaemon } from '../support/daemon.ts'

let keel: Daemon
beforeAll(async () => {
  keel = await startDaemon({
    config: '# mine\n[agent]\nname = "Duncan Idaho"\n\n[channels.telegram]\nwebhook_secret = "very-secret"\n',
  })
}, 30_000)
afterAll(() => keel.dispose())

const files = () => ['keel.toml', 'overrides.toml'].map((name) => readFileSync(join(keel.home, name), 'utf8'))
const put = (body: Record<string, unknown>) => keel.client.config.updateConfig({ body })

test('the whole configuration is shown with its defaults and without its secrets', async () => {
  const shown = await (await keel.fetch('/api/config')).text()
  expect(shown).not.toContain('very-secret')
  expect(shown).not.toContain(keel.apiKey)
  expect(JSON.parse(shown)).toMatchObject({
    agent: { name: 'Duncan Idaho', autonomy_max_react_turns: 10 },
    circuit_breaker: { threshold: 3 },
    channels: { telegram: { webhook_secret: '***' } },
  })
  expect(await (await keel.fetch('/api/config')).text()).toBe(shown)
})

test('what was read and is sent back changes nothing, to the byte', async () => {
  const before = files()
  const shown = await keel.client.config.getConfig()
  expect(await put(shown)).toMatchObject({ updated: false, persisted: false, message: 'no effective changes detected' })
  expect(files()).toEqual(before)
})

test('a change is kept, backed up, announced and in effect at once; the user file is never touched', async () => {
  const { last_seq: since } = await keel.client.events.listEvents({ query: { limit: 1000 } })
  const mine = files()[0]
  const update = await put({ agent: { name: 'Gurney' }, foo: { bar: 1 } })
  expect(update).toMatchObject({ updated: true, persisted: true, backup_path: expect.any(String), deferred_apply: [] })
  expect(update.ignored_keys).toContain('foo')
  expect(readFileSync(update.backup_path ?? '', 'utf8')).not.toContain('Gurney')
  expect((await keel.client.health.getHealth()).agent).toBe('Gurney')
  expect(files()[0]).toBe(mine)
  const { events } = await keel.client.events.listEvents({ query: { since, types: 'config_updated' } })
  expect(events).toMatchObject([{ sections: ['agent'], changed: ['agent.name'] }])
})

test('a wrong value is refused by name, and nothing is written or applied', async () => {
  const before = files()
  for (const [body, words] of [
    [{ memory: { working_budget_pct: 90 } }, 'memory'],
    [{ models: { routing: { cost_weight: 'x' } } }, 'models.routing.cost_weight'],
    [{ circuit_breaker: { threshold: 0 } }, 'circuit_breaker.threshold'],
    [{ session: { scope_mode: 'planet' } }, 'session.scope_mode'],
    [{ server: { bind: 'everywhere' } }, 'server.bind'],
  ] as const) {
    await expect(put(body)).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining(words) })
  }
  expect(files()).toEqual(before)
  const { status } = await keel.client.config.getConfigStatus()
  expect(status.last_error).toContain('server.bind')
})

test('what waits for a restart is accepted, named, and does not run yet', async () => {
  const update = await put({
    server: { log_dir: 'other-logs', port: 29_999 },
    wallet: { rpc_url: 'https://rpc.example.org' },
    treasury: { per_payment_cap: 50 },
  })
  expect(update.updated).toBe(true)
  expect([...update.deferred_apply].sort()).toEqual(['server.log_dir', 'wallet.rpc_url'])
  // The environment has the last word on the port.
  expect(update.shadowed).toEqual(['server.port'])
  const { status } = await keel.client.config.getConfigStatus()
  expect(status).toMatchObject({ config_path: join(keel.home, 'keel.toml'), pending_restart: true })
  expect(status.sources['agent.name']).toBe('override')
  expect(await put({ server: { log_dir: null, port: null }, wallet: { rpc_url: null } })).toMatchObject({
    updated: true,
  })
})

test('the routing weights go round', async () => {
  const routing = {
    accuracy_floor: 0.2,
    cost_aware: true,
    cost_weight: 0.4,
    confidence_threshold: 0.8,
    estimated_output_tokens: 300,
  }
  await put({ models: { routing } })
  expect(await keel.client.config.getConfig()).toMatchObject({ models: { routing } })
  expect((await keel.client.models.getRoutingDiagnostics()).config).toMatchObject(routing)
})

test('what can not be changed at run time is listed', async () => {
  const capabilities = await keel.client.config.getConfigCapabilities()
  expect(capabilities.immutable_sections).toEqual(['server', 'a2a', 'wallet'])
  expect(capabilities.mutable_sections).not.toContain('server')
  expect(capabilities.features).toEqual(expect.objectContaining({ streaming: true }))
})

test('ten backups are kept at the most', async () => {
  for (let i = 0; i < 12; i++) await put({ agent: { name: `Name ${i}` } })
  expect(readdirSync(keel.home).filter((name) => name.includes('.bak.')).length).toBeLessThanOrEqual(10)
})

test('the key is rotated at once; the old one is worth nothing', async () => {
  await put({ server: { api_key: 'a-new-key-of-my-own-choosing' } })
  expect((await keel.fetch('/api/config')).status).toBe(401)
  const fresh = await fetch(`${keel.url}/api/config`, { headers: { 'x-api-key': 'a-new-key-of-my-own-choosing' } })
  expect(fresh.status).toBe(200)
  expect(await fresh.text()).not.toContain('a-new-key-of-my-own-choosing')
})
