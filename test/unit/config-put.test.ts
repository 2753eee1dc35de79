import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type LiveConfig, openConfig } from '#kernel/config/live-config.ts'
import type { Home } from '#kernel/home.ts'
import { currentApiKey } from '#kernel/secrets/api-key.ts'
import { openSealedStore, type SealedRows } from '#kernel/secrets/sealed-store.ts'
import { tempHome } from '../support/temp-home.ts'

const userFile = `# my own words
[agent]
name = "Ada" # a comment
[models.routing]
cost_weight = 0.5
[channels.whatsapp]
app_secret = "whatsapp-secret"
verify_token = "verify-me"
[providers.mine]
url = "https://mine.example.org"
api_key = "file-key"
extra_headers = { "x-api-key" = "header-secret", "x-team" = "blue" }
[wallet]
rpc_url = "https://user:rpc-pass@rpc.example.org/x"
`

function bytesOf(home: Home): string {
  return readFileSync(home.config, 'utf8') + readFileSync(home.overrides, 'utf8')
}

function memoryRows(): SealedRows {
  const rows = new Map<string, Buffer>()
  return {
    find: (name) => rows.get(name),
    save: (name, sealed) => void rows.set(name, sealed),
    delete: (name) => rows.delete(name),
    names: () => [...rows.keys()],
  }
}

function withStore(config: LiveConfig) {
  const secrets = openSealedStore(memoryRows(), randomBytes(32))
  config.useSecrets(secrets)
  return { config, secrets }
}

test('the body of GET, sent back, changes nothing', async () => {
  const home = tempHome(userFile)
  const config = openConfig(home, { KEEL_API_KEY: 'an-environment-key' })
  const before = bytesOf(home)
  const body = JSON.parse(JSON.stringify(config.redacted()))
  expect(JSON.stringify(body)).not.toMatch(
    /whatsapp-secret|verify-me|file-key|header-secret|rpc-pass|an-environment-key/,
  )
  const result = await config.put(body)
  expect(result).toEqual({
    updated: false,
    persisted: false,
    message: 'no effective changes detected',
    backup_path: null,
    deferred_apply: [],
    ignored_keys: [],
    shadowed: [],
  })
  expect(bytesOf(home)).toBe(before)
  expect(config.current().channels.whatsapp.app_secret).toBe('whatsapp-secret')
  expect(config.current().providers.mine?.extra_headers).toEqual({ 'x-api-key': 'header-secret', 'x-team': 'blue' })
})

test('one changed value in a whole body changes that value alone', async () => {
  const home = tempHome(userFile)
  const config = openConfig(home, {})
  const body = structuredClone(config.redacted()) as { agent: { name: string } }
  body.agent.name = 'Grace'
  const changes: string[][] = []
  config.onChange((changed) => void changes.push(changed))
  const result = await config.put(body)
  expect(result).toMatchObject({ updated: true, persisted: true, deferred_apply: [], ignored_keys: [] })
  expect(changes).toEqual([['agent.name']])
  expect(config.current().agent.name).toBe('Grace')
  expect(readFileSync(home.config, 'utf8')).toBe(userFile)
  expect(readFileSync(home.overrides, 'utf8')).toMatch(/\n\[agent\]\nname = "Grace"\n/)
  expect(statSync(home.overrides).mode & 0o777).toBe(0o600)
  expect(openConfig(home, {}).current()).toEqual(config.current())
})

test('the file before is kept, ten times at most', async () => {
  const home = tempHome()
  const config = openConfig(home, {})
  const first = await config.put({ agent: { name: 'N0' } })
  expect(first.backup_path).toMatch(/overrides\.toml\.bak\.\d{8}T\d{6}\.\d{3}Z$/)
  expect(config.status().last_backup_path).toBe(first.backup_path)
  for (let i = 1; i < 13; i++) await config.put({ agent: { name: `N${i}` } })
  const backups = readdirSync(home.root).filter((name) => name.includes('.bak.'))
  expect(backups.length).toBeLessThanOrEqual(10)
  expect(backups.length).toBeGreaterThan(0)
  expect(statSync(`${home.root}/${backups[0]}`).mode & 0o777).toBe(0o600)
  expect(readdirSync(home.root).filter((name) => name.endsWith('.tmp'))).toEqual([])
})

test('an invalid change is refused by name and nothing has happened', async () => {
  const home = tempHome(userFile)
  const config = openConfig(home, {})
  const before = bytesOf(home)
  await expect(config.put({ agent: { name: 'New' }, models: { routing: { cost_weight: 7 } } })).rejects.toMatchObject({
    kind: 'invalid',
    message: 'invalid config: models.routing.cost_weight: expected a number from 0 to 1, got 7',
  })
  await expect(config.put(['x'])).rejects.toMatchObject({ kind: 'invalid' })
  await expect(config.put(null)).rejects.toMatchObject({ kind: 'invalid' })
  expect(config.current().agent.name).toBe('Ada')
  expect(bytesOf(home)).toBe(before)
  expect(config.status()).toMatchObject({ last_success_at: null, last_error: 'invalid config: expected an object' })
})

test('unknown sections, unknown keys and keys that reach into objects are ignored and told', async () => {
  const home = tempHome()
  const config = openConfig(home, {})
  const patch = JSON.parse(
    '{"nonsense":{"a":1},"_computed":1,"__proto__":{"x":1},"agent":{"name":"B","nmae":"C","__proto__":{"id":"evil"},"constructor":{}}}',
  )
  const result = await config.put(patch)
  expect(result.ignored_keys.sort()).toEqual([
    '__proto__',
    'agent.__proto__',
    'agent.constructor',
    'agent.nmae',
    'nonsense',
  ])
  expect(config.current().agent).toMatchObject({ name: 'B', id: 'keel' })
  expect(readFileSync(home.overrides, 'utf8')).not.toMatch(/nmae|nonsense|__proto__/)
})

test("null clears what the user's file sets, and only setting it again brings it back", async () => {
  const home = tempHome(userFile)
  const config = openConfig(home, {})
  await config.put({ models: { routing: { cost_weight: null } }, providers: { mine: null } })
  expect(config.current().models.routing.cost_weight).toBeNull()
  expect(config.current().providers).toEqual({})
  expect(config.origin('models.routing.cost_weight')).toBe('default')
  const again = openConfig(home, {})
  expect(again.current()).toEqual(config.current())
  expect((await again.put({ models: { routing: { cost_weight: null } } })).updated).toBe(false)
  await again.put({
    models: { routing: { cost_weight: 0.5 } },
    providers: { mine: { url: 'https://other.example.org' } },
  })
  expect(again.current().models.routing.cost_weight).toBe(0.5)
  expect(again.current().providers.mine).toMatchObject({ url: 'https://other.example.org', extra_headers: {} })
  expect(readFileSync(home.config, 'utf8')).toBe(userFile)
})

test('what needs a restart keeps its running value, and is listed only when it changes', async () => {
  const home = tempHome()
  const config = openConfig(home, {})
  const result = await config.put({
    server: { port: 4_000, rate_limit_requests: 700 },
    wallet: { rpc_url: 'https://rpc.example.org' },
  })
  expect(result.deferred_apply.sort()).toEqual(['server.port', 'wallet.rpc_url'])
  expect(config.current().server).toMatchObject({ port: 18_789, rate_limit_requests: 700 })
  expect(config.redacted().server).toMatchObject({ port: 4_000 })
  expect(config.status()).toMatchObject({ pending_restart: true, deferred_apply: ['server.port', 'wallet.rpc_url'] })
  expect((await config.put({ agent: { name: 'X' } })).deferred_apply).toEqual([])
  expect((await config.put(structuredClone(config.redacted()))).updated).toBe(false)
  await config.put({ server: { port: 18_789 }, wallet: { rpc_url: 'https://mainnet.base.org' } })
  expect(config.status()).toMatchObject({ pending_restart: false, deferred_apply: [] })
})

test('an edited file is drift until a change or a reload takes it up', async () => {
  const home = tempHome(userFile)
  const config = openConfig(home, {})
  expect(config.status().drift).toBe(false)
  writeFileSync(home.config, userFile.replace('"Ada"', '"Edited"'))
  expect(config.status().drift).toBe(true)
  const applied = await config.put({ agent: { name: 'Edited' } })
  expect(applied).toMatchObject({ updated: true, backup_path: null })
  expect(config.current().agent.name).toBe('Edited')
  expect(readFileSync(home.overrides, 'utf8')).toBe('')

  writeFileSync(home.config, userFile.replace('"Ada"', '"Again"'))
  const heard: string[][] = []
  config.onChange((changed) => void heard.push(changed))
  await config.reload()
  expect(config.current().agent.name).toBe('Again')
  expect(heard).toEqual([['agent.name']])
  writeFileSync(home.config, 'broken [')
  expect(config.status().drift).toBe(true)
  await expect(config.reload()).rejects.toMatchObject({ kind: 'invalid' })
  expect(config.current().agent.name).toBe('Again')
})

test('a value that the environment sets is kept but told to be without effect', async () => {
  const config = openConfig(tempHome(), { KEEL_AGENT__NAME: 'Env' })
  const result = await config.put({ agent: { name: 'Api' } })
  expect(result).toMatchObject({ updated: true, persisted: true, shadowed: ['agent.name'] })
  expect(config.current().agent.name).toBe('Env')
})

test("a provider's key goes to the sealed store and never into a file", async () => {
  const home = tempHome()
  const { config, secrets } = withStore(openConfig(home, {}))
  const heard: string[][] = []
  config.onChange((changed) => void heard.push(changed))
  const result = await config.put({ providers: { openai: { api_key: ' sk-super-secret ' } } })
  expect(result.updated).toBe(true)
  expect(secrets.get('openai_api_key')).toBe('sk-super-secret')
  expect(heard[0]).toContain('providers.openai.api_key')
  expect(bytesOf(home)).not.toContain('super-secret')
  expect((config.redacted().providers as Record<string, unknown>).openai).toMatchObject({
    _key_status: 'configured',
    _key_source: 'keystore',
    _provider_name: 'openai',
  })
  expect((await config.put({ providers: { openai: { api_key: '***' } } })).updated).toBe(false)
  expect((await config.put({ providers: { openai: { api_key: 'sk-super-secret' } } })).updated).toBe(false)
  await config.put({ providers: { openai: { api_key: null } } })
  expect(secrets.names()).toEqual([])
})

test('a key for an invalid provider is not kept', async () => {
  const { config, secrets } = withStore(openConfig(tempHome(), {}))
  await expect(config.put({ providers: { unknown: { api_key: 'secret-value' } } })).rejects.toMatchObject({
    message: expect.stringContaining('providers.unknown.url'),
  })
  await expect(config.put({ providers: { openai: { api_key: 'two words' } } })).rejects.toMatchObject({
    kind: 'invalid',
  })
  expect(secrets.names()).toEqual([])
  await expect(openConfig(tempHome(), {}).put({ providers: { openai: { api_key: 'x' } } })).rejects.toMatchObject({
    kind: 'unavailable',
  })
})

test('a key that was sealed with a lost secret.key can be replaced', async () => {
  const rows = memoryRows()
  openSealedStore(rows, randomBytes(32)).put('openai_api_key', 'old')
  const config = openConfig(tempHome(), {})
  const secrets = openSealedStore(rows, randomBytes(32))
  config.useSecrets(secrets)
  expect((config.redacted().providers as Record<string, unknown>).openai).toMatchObject({
    _key_status: 'missing',
    _key_source: 'keystore',
  })
  expect((await config.put({ providers: { openai: { api_key: 'new' } } })).updated).toBe(true)
  expect(secrets.get('openai_api_key')).toBe('new')
})

test('the API key rotates at once and is never shown', async () => {
  const home = tempHome()
  const config = openConfig(home, {})
  const first = currentApiKey(home, config.current())
  expect(first).toMatch(/^keel_[\w-]{43}$/)
  await config.put({ server: { api_key: 'my-own-key-0123456789' } })
  expect(currentApiKey(home, config.current())).toBe('my-own-key-0123456789')
  expect(JSON.stringify(config.redacted())).not.toContain('my-own-key')
  await config.put({ server: { api_key: '***', rate_limit_requests: 900 } })
  expect(currentApiKey(home, config.current())).toBe('my-own-key-0123456789')
  await config.put({ server: { api_key: null } })
  expect(currentApiKey(home, config.current())).toBe(first)
})

test('changes are made one after the other', async () => {
  const home = tempHome()
  const config = openConfig(home, {})
  await Promise.all([
    config.put({ agent: { name: 'A' } }),
    config.put({ cache: { enabled: false } }),
    config.put({ agent: { id: 'b' } }),
  ])
  expect(openConfig(home, {}).current()).toMatchObject({ agent: { name: 'A', id: 'b' }, cache: { enabled: false } })
})

test('a listener that fails takes the change back', async () => {
  const home = tempHome()
  const { config, secrets } = withStore(openConfig(home, {}))
  await config.put({ agent: { name: 'Good' } })
  const before = bytesOf(home)
  let fail = true
  config.onChange(() => {
    if (!fail) return
    fail = false
    throw new Error('could not apply')
  })
  await expect(config.put({ agent: { name: 'Bad' }, providers: { openai: { api_key: 'k' } } })).rejects.toThrow()
  expect(config.current().agent.name).toBe('Good')
  expect(secrets.names()).toEqual([])
  expect(bytesOf(home)).toBe(before)
  expect((await config.put({ agent: { name: 'Better' } })).updated).toBe(true)
})

test('a file that can not be written leaves all as it was', async () => {
  const home = tempHome()
  const { config, secrets } = withStore(openConfig(home, {}))
  await config.put({ agent: { name: 'Good' } })
  const before = bytesOf(home)
  const inTheWay = `${home.root}/.overrides.toml.${process.pid}.tmp`
  mkdirSync(inTheWay)
  await expect(config.put({ agent: { name: 'Bad' }, providers: { openai: { api_key: 'k' } } })).rejects.toMatchObject({
    kind: 'internal',
    message: 'The configuration could not be written; nothing was changed',
  })
  expect(config.current().agent.name).toBe('Good')
  expect(secrets.names()).toEqual([])
  expect(bytesOf(home)).toBe(before)
  rmdirSync(inTheWay)
  expect((await config.put({ agent: { name: 'Better' } })).updated).toBe(true)
})

test('lists replace, tables merge, and a placeholder inside a changed list is refused', async () => {
  const home = tempHome('[models]\nfallbacks = ["a/b", "c/d"]\n[models.model_overrides."a/b.c"]\ntier = "T1"')
  const config = openConfig(home, {})
  await config.put({
    models: { fallbacks: ['e/f'], model_overrides: { 'x/y': { tier: 'T2', cost_per_input_token: null } } },
  })
  expect(config.current().models.fallbacks).toEqual(['e/f'])
  expect(Object.keys(config.current().models.model_overrides)).toEqual(['a/b.c', 'x/y'])
  expect(config.origin('models.model_overrides."a/b.c".tier')).toBe('file')
  await expect(config.put({ models: { fallbacks: ['***'] } })).rejects.toMatchObject({ kind: 'invalid' })
})

test('the capabilities are disjoint and complete', () => {
  const { immutable_sections, mutable_sections } = openConfig(tempHome(), {}).capabilities()
  expect(immutable_sections).toEqual(['server', 'a2a', 'wallet'])
  expect(mutable_sections.filter((name) => immutable_sections.includes(name))).toEqual([])
  expect(mutable_sections).toContain('security')
})

test("a bind that others can reach is refused without a key of one's own", async () => {
  const config = openConfig(tempHome(), {})
  await expect(config.put({ server: { bind: '0.0.0.0' } })).rejects.toMatchObject({ kind: 'invalid' })
  const result = await config.put({ server: { bind: '0.0.0.0', api_key: 'a-key-of-my-own-42' } })
  expect(result.deferred_apply).toEqual(['server.bind'])
})
