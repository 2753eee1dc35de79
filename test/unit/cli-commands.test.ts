import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readSecretKey } from '#kernel/home.ts'
import { lockHome, runningPid } from '#kernel/home-lock.ts'
import { openSealedStore } from '#kernel/secrets/sealed-store.ts'
import { saveSealed } from '#kernel/store/secrets.ts'
import { openStore } from '#kernel/store/store.ts'
import { RuntimeError } from '#sdk/errors.ts'
import packageJson from '../../package.json' with { type: 'json' }
import { eventStream, type FakeCall, fakeKeel, keel } from '../support/cli-run.ts'
import { tempHome } from '../support/temp-home.ts'

const entry = (message: string, level = 'info') => ({
  timestamp: '2025-01-01T00:00:00.000Z',
  level,
  message,
  target: 'agent',
})

const service = {
  name: 'agent',
  state: 'ready',
  pid: 42,
  generation: 1,
  restarts: 3,
  started_at: '2025-01-01T00:00:00.000Z',
  uptime_seconds: 90_061,
  rss_bytes: 104_857_600,
  calls_in_flight: 1,
  queued_calls: 2,
  last_error: null,
  lazy: false,
}

const update = {
  updated: true,
  persisted: true,
  message: 'configuration updated and persisted',
  backup_path: null,
  deferred_apply: [],
  ignored_keys: [],
  shadowed: [],
}

test('help, version and wrong usage', async () => {
  expect((await keel(['--help'])).stdout).toMatch(/Usage: keel[\s\S]*start[\s\S]*doctor/)
  expect((await keel(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  const wrong = await keel(['dance'])
  expect(wrong.code).toBe(1)
  expect(wrong.stderr).toContain("unknown command 'dance'")
  expect((await keel(['config', 'set', 'a.b'])).code).toBe(1)
  expect((await keel(['status', '--loud'])).stderr).toContain("unknown option '--loud'")
})

test("the home's key goes to this machine alone", async () => {
  const home = tempHome()
  const { url, calls } = await fakeKeel({ 'GET /api/services': { services: [service], count: 1 } })
  const listed = await keel(['service', 'list', '--url', url, '--home', home.root])
  expect(listed.stdout).toMatch(/NAME +STATE +PROCESS[\s\S]*agent +ready +42 +1 d 1 h +3 +100 MiB +3/)
  expect(calls[0]?.key).toBe(readFileSync(home.apiKey, 'utf8').trim())
  await keel(['service', 'list', '--url', url, '--api-key', 'given', '--home', home.root])
  expect(calls[1]?.key).toBe('given')
  const elsewhere = await keel(['status', '--url', 'https://keel.example.org', '--home', home.root])
  expect([elsewhere.code, elsewhere.stderr]).toEqual([
    1,
    'A key for keel.example.org is needed: give --api-key or set KEEL_API_KEY\n',
  ])
  expect((await keel(['status', '--url', 'keel.example.org', '--home', home.root])).stderr).toContain(
    '--url: expected a URL',
  )
})

test('a running kernel is found by its home, whatever its port', async () => {
  const home = tempHome()
  const { url } = await fakeKeel({ 'POST /api/services/agent/restart': { name: 'agent', restarted: true, service } })
  const lock = lockHome(home)
  onTestFinished(() => lock.release())
  writeFileSync(home.urlFile, `${url}\n`)
  const run = await keel(['service', 'restart', 'agent', '--json', '--home', home.root])
  expect(JSON.parse(run.stdout)).toMatchObject({ restarted: true })
  const unknown = await keel(['service', 'restart', 'nobody', '--home', home.root, '--json'])
  expect([unknown.code, JSON.parse(unknown.stderr)]).toEqual([1, { error: 'not found' }])
})

test('Ctrl-C ends a command that waits, without a word', async () => {
  const interrupt = new AbortController()
  const { url } = await fakeKeel({
    'GET /api/services': (_: FakeCall, response: ServerResponse) => {
      response.writeHead(200, { 'content-type': 'application/json' }).write('{')
      interrupt.abort()
    },
  })
  const run = await keel(['service', 'list'], {
    env: { KEEL_URL: url, KEEL_HOME: tempHome().root },
    signal: interrupt.signal,
  })
  expect(run).toEqual({ code: 130, stdout: '', stderr: '' })
})

test('without a server, commands that need one say so', async () => {
  const home = tempHome('[server]\nport = 1')
  for (const command of [['status'], ['service', 'list'], ['logs', '-f'], ['provider', 'key', 'openai']]) {
    const run = await keel([...command, '--home', home.root], { stdin: 'key' })
    expect([run.code, run.stderr]).toEqual([1, 'Keel does not answer. Is it running? Start it with: keel start\n'])
  }
  expect((await keel(['stop', '--home', home.root])).stdout).toBe(`Keel does not run in ${home.root}.\n`)
})

test('logs come from the server, follow it until interrupted, and else from the files', async () => {
  const home = tempHome('[server]\nport = 1')
  const { url, calls } = await fakeKeel({
    'GET /api/logs': { entries: [entry('one'), entry('two\nlines\u001b[2J', 'warn')] },
  })
  const run = await keel(['logs', '-n', '5', '--level', 'info', '--home', home.root], { env: { KEEL_URL: url } })
  expect(run.stdout).toBe(
    '2025-01-01T00:00:00.000Z [info] agent: one\n2025-01-01T00:00:00.000Z [warn] agent: two⏎lines\n',
  )
  expect(calls[0]?.url).toBe('/api/logs?lines=5&level=info')

  const live = await fakeKeel({ 'GET /api/logs': eventStream([entry('live')], { open: true }) })
  const interrupt = new AbortController()
  const followed = await keel(['logs', '-f', '--home', home.root, '--json'], {
    env: { KEEL_URL: live.url },
    signal: interrupt.signal,
    onStdout: () => interrupt.abort(),
  })
  expect([followed.code, JSON.parse(followed.stdout).message, followed.stderr]).toEqual([0, 'live', ''])

  writeFileSync(
    join(home.logs, 'keel.2025-01-01.1.log'),
    '{"level":"error","time":"2025-01-01T00:00:00Z","target":"kernel","msg":"why it died"}\n',
  )
  expect((await keel(['logs', '--home', home.root])).stdout).toBe(
    '2025-01-01T00:00:00.000Z [error] kernel: why it died\n',
  )
  expect((await keel(['logs', '-n', '0', '--home', home.root])).stderr).toContain(
    '--lines: expected a whole number from 1 to 10000',
  )
  expect((await keel(['logs', '--level', 'loud', '--home', home.root])).stderr).toContain('--level: expected one of')
})

test('settings are read and changed over a running server', async () => {
  const { url, calls } = await fakeKeel({
    'GET /api/config': { agent: { name: 'Ada' }, models: { fallbacks: ['a/b'] } },
    'PUT /api/config': ({ body }: FakeCall) => ({
      ...update,
      ignored_keys: 'nonsense' in (body as object) ? ['nonsense'] : [],
    }),
  })
  const env = { KEEL_URL: url, KEEL_HOME: tempHome().root }
  expect((await keel(['config', 'get', 'agent.name'], { env })).stdout).toBe('Ada\n')
  expect((await keel(['config', 'get'], { env })).stdout).toBe('agent.name = "Ada"\nmodels.fallbacks = ["a/b"]\n')
  expect((await keel(['config', 'get', 'agent.nmae'], { env })).stderr).toBe('agent.nmae: there is no such setting\n')
  await keel(['config', 'set', 'models.routing.cost_weight', '0.5'], { env })
  await keel(['config', 'set', 'models.model_overrides."a/b.c".tier', 'T2'], { env })
  await keel(['config', 'set', 'channels.whatsapp.app_secret', '-'], { env, stdin: 'hidden\n' })
  await keel(['config', 'unset', 'agent.name'], { env })
  expect(calls.filter(({ route }) => route.startsWith('PUT')).map(({ body }) => body)).toEqual([
    { models: { routing: { cost_weight: 0.5 } } },
    { models: { model_overrides: { 'a/b.c': { tier: 'T2' } } } },
    { channels: { whatsapp: { app_secret: 'hidden' } } },
    { agent: { name: null } },
  ])
  expect((await keel(['config', 'set', 'nonsense.x', '1'], { env })).code).toBe(1)
})

test("without a server, settings are read from and changed in the files, under the home's lock", async () => {
  const home = tempHome('[server]\nport = 1')
  const env = { KEEL_HOME: home.root }
  expect((await keel(['config', 'set', 'agent.name', 'Grace'], { env })).stdout).toBe(
    'agent.name: configuration updated and persisted.\n',
  )
  expect((await keel(['config', 'get', 'agent.name'], { env })).stdout).toBe('Grace\n')
  expect((await keel(['config', 'set', 'agent.name', ''], { env })).stderr).toContain('agent.name: expected text')
  expect((await keel(['config', 'check'], { env })).stdout).toBe(`${home.config} is valid.\n`)
  writeFileSync(home.config, '[server]\nport = "x"')
  const broken = await keel(['config', 'check'], { env })
  expect([broken.code, broken.stderr]).toEqual([
    1,
    'invalid config: server.port: expected a whole number from 0 to 65535, got "x"\n',
  ])
  writeFileSync(home.config, '[server]\nport = 1')
  const lock = lockHome(home)
  onTestFinished(() => lock.release())
  expect((await keel(['config', 'set', 'agent.name', 'X'], { env })).stderr).toContain('Keel already runs in')
})

test('a provider is added with its key and model, and removed again', async () => {
  const { url, calls } = await fakeKeel({
    'GET /api/config': {
      models: { primary: 'keel/offline', fallbacks: ['mine/m2', 'b/c'] },
      providers: { mine: { url: 'http://x' } },
    },
    'PUT /api/config': update,
    'PUT /api/providers/mine/key': { stored: true, provider: 'mine', keystore_entry: 'mine_api_key' },
    'DELETE /api/providers/mine/key': { removed: true, provider: 'mine', keystore_entry: 'mine_api_key' },
  })
  const env = { KEEL_URL: url, KEEL_HOME: tempHome().root }
  const added = await keel(
    [
      'provider',
      'add',
      'mine',
      '--url',
      'http://127.0.0.1:9',
      '--format',
      'openai',
      '--key',
      '-',
      '--model',
      'mine/m1',
    ],
    {
      env,
      stdin: ' the-key \n',
    },
  )
  expect([added.code, added.stderr]).toEqual([0, ''])
  expect(added.stdout).toBe('mine is configured and its key is stored sealed.\nmine/m1 now answers.\n')
  expect(calls.slice(1).map(({ body }) => body)).toEqual([
    {
      providers: { mine: { url: 'http://127.0.0.1:9', format: 'openai', models: ['m1'] } },
      models: { primary: 'mine/m1' },
    },
    { api_key: 'the-key' },
  ])
  expect((await keel(['provider', 'remove', 'mine'], { env })).stdout).toBe(
    'mine is removed, and its stored key is deleted.\n',
  )
  expect(calls.at(-1)?.body).toEqual({ providers: { mine: null }, models: { fallbacks: ['b/c'] } })
  expect((await keel(['provider', 'remove', 'other'], { env })).stderr).toBe('The provider "other" is not configured\n')
  expect((await keel(['provider', 'add', 'mine'], { env })).stderr).toContain('--url is needed')
  expect((await keel(['provider', 'add', 'openai', '--key', 'sk-on-the-line'], { env })).stderr).toContain(
    '--key: give "-"',
  )
  expect((await keel(['provider', 'key', 'mine'], { env, stdin: ' ' })).stderr).toBe('nothing was entered\n')
})

test('start prints where Keel is, passes its exit code on, and knows the codes of failures', async () => {
  const home = tempHome()
  const asked: unknown[] = []
  const run = await keel(['start', '--home', home.root], {
    startKernel: async (options) => {
      asked.push(options.home)
      return {
        url: 'http://127.0.0.1:7',
        dashboardUrl: 'http://127.0.0.1:7/#x',
        log: { error: () => {} },
        listener: undefined,
        closed: Promise.resolve(0),
        close: async () => {},
        letGo: () => Promise.reject(new Error('nobody asked')),
      }
    },
  })
  expect(run.code).toBe(0)
  expect(asked).toEqual([home.root])
  expect(run.stdout).toMatch(/Keel \d+\.\d+\.\d+ is up\.[\s\S]*http:\/\/127\.0\.0\.1:7\n[\s\S]*#x/)
  expect(readFileSync(home.urlFile, 'utf8')).toBe('http://127.0.0.1:7\n')

  const failWith = (error: Error) => keel(['start', '--home', home.root], { startKernel: () => Promise.reject(error) })
  expect((await failWith(new RuntimeError('unavailable', 'The database can not be used', { exit_code: 3 }))).code).toBe(
    3,
  )
  const taken = await failWith(
    Object.assign(new Error('listen EADDRINUSE: address already in use 127.0.0.1:1'), { code: 'EADDRINUSE' }),
  )
  expect([taken.code, taken.stderr]).toEqual([2, 'listen EADDRINUSE: address already in use 127.0.0.1:1\n'])
  expect((await failWith(new RuntimeError('invalid', 'invalid config: x'))).code).toBe(1)
  const lock = lockHome(home)
  onTestFinished(() => lock.release())
  expect((await keel(['start', '--detach', '--home', home.root])).stderr).toContain(`Keel already runs in ${home.root}`)
  expect((await keel(['start', '--home', home.root, '--new-secret-key'])).stderr).toContain(
    'exists, so no new one is made',
  )
})

test('doctor says what is broken and what mends it', async () => {
  const home = tempHome('[server]\nport = 1')
  const healthy = await keel(['doctor', '--json', '--home', home.root])
  const findings = JSON.parse(healthy.stdout).findings as { check: string; status: string; fix?: string }[]
  expect(findings).toContainEqual({
    check: 'server',
    status: 'warning',
    message: 'Keel does not run',
    fix: 'keel start --detach',
  })

  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void taken.close())
  const { port } = taken.address() as AddressInfo
  taken.on('connection', (socket) => socket.destroy())
  writeFileSync(home.config, `[server]\nport = ${port}`)
  writeFileSync(home.database, 'no database')
  chmodSync(home.apiKey, 0o644)
  const sick = await keel(['doctor', '--home', home.root])
  expect(sick.code).toBe(1)
  expect(sick.stdout).toContain(`chmod 600 ${home.apiKey}`)
  expect(sick.stdout).toMatch(new RegExp(`broken +port +127.0.0.1:${port} can not be used: it is taken`))
  expect(sick.stdout).toMatch(/broken +database .* is not a SQLite database/)
  expect(sick.stdout).not.toMatch(/broken +secrets/)
  expect(sick.stdout).toMatch(/\d things are broken\./)

  writeFileSync(home.config, 'agent = 1')
  expect((await keel(['doctor', '--home', home.root])).stdout).toContain(
    'invalid config: agent: expected a table, got 1',
  )
})

test('doctor tells of secrets that this secret.key does not open', async () => {
  const home = tempHome('[server]\nport = 1')
  const store = openStore(home.database, { onFault: () => {} })
  const seal = (name: string, key: Buffer) =>
    openSealedStore(
      {
        find: () => undefined,
        save: (_, sealed) => saveSealed(store.durable, name, sealed),
        delete: () => false,
        names: () => [],
      },
      key,
    ).put(name, 'value')
  seal('openai_api_key', readSecretKey(home))
  seal('lost_api_key', randomBytes(32))
  await store.close()
  const { findings } = JSON.parse((await keel(['doctor', '--json', '--home', home.root])).stdout)
  expect(findings.filter(({ check }: { check: string }) => check === 'secrets')).toEqual([
    {
      check: 'secrets',
      status: 'broken',
      message:
        'The stored secret lost_api_key can not be opened: it was sealed with another secret.key, or it was altered',
      fix: 'put the old secret.key back, or: keel provider key lost',
    },
  ])
})

test('doctor asks a running server about its providers and its services', async () => {
  const { url } = await fakeKeel({
    'GET /api/health': {
      status: 'warning',
      version: '1.2.3',
      agent: 'Keel',
      uptime_seconds: 1,
      models: { primary: 'a/b', current: 'a/b', fallbacks: [] },
      providers: [],
      checks: { database: 'ok', providers: {}, services: { memory: 'down' } },
    },
    'GET /api/agent/status': (_: FakeCall, response: ServerResponse) =>
      response.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"unauthorized"}'),
  })
  const run = await keel(['doctor', '--json', '--home', tempHome().root], { env: { KEEL_URL: url } })
  const { findings } = JSON.parse(run.stdout)
  expect(findings).toContainEqual(
    expect.objectContaining({ check: 'key', status: 'broken', message: `${url} refuses this key` }),
  )
  expect(run.code).toBe(1)
})

test('an old Node is told what it lacks', () => {
  const keelScript = join(import.meta.dirname, '../../kernel/cli/keel.mjs')
  const text = readFileSync(keelScript, 'utf8')
  expect(text).not.toMatch(/^import /m)
  const pretend = `Object.defineProperty(process.versions, 'node', { value: '20.11.0' }); import(${JSON.stringify(keelScript)})`
  const run = spawnSync(process.execPath, ['-e', pretend], { encoding: 'utf8' })
  expect([run.status, run.stderr, run.stdout]).toEqual([
    1,
    'Keel needs Node 24 or newer; this is 20.11.0. "npm start" brings its own.\n',
    '',
  ])
})

test('the command on the path runs on the Node that came with the install, whatever the machine has', () => {
  const command = join(import.meta.dirname, '../../kernel/cli/command.mjs')
  const pretend = `Object.defineProperty(process.versions, 'node', { value: '20.11.0' }); process.argv.splice(1, 0, ''); import(${JSON.stringify(command)})`
  const runAs = (...args: string[]) => spawnSync(process.execPath, ['-e', pretend, '--', ...args], { encoding: 'utf8' })
  expect(runAs('--version')).toMatchObject({ status: 0, stdout: `${packageJson.version}\n`, stderr: '' })
  expect(runAs('nonsense')).toMatchObject({ status: 1, stderr: expect.stringContaining('nonsense') })
})

test('a reader that is gone ends a command without a word', () => {
  const command = join(import.meta.dirname, '../../kernel/cli/keel.mjs')
  const line = `{ '${process.execPath}' '${command}' --help; echo "ended with $?" >&2; } | true`
  expect(spawnSync('bash', ['-c', line], { encoding: 'utf8' }).stderr).toBe('ended with 0\n')
})

test('the real command runs from its file', () => {
  const home = tempHome()
  const run = spawnSync(
    process.execPath,
    [join(import.meta.dirname, '../../kernel/cli/keel.mjs'), 'config', 'get', 'models.primary'],
    {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, KEEL_HOME: home.root, KEEL_PORT: '1', NO_COLOR: '1' },
    },
  )
  expect([run.status, run.stdout, run.stderr]).toEqual([0, 'keel/offline\n', ''])
  expect(existsSync(home.pidFile)).toBe(false)
  expect(runningPid(home)).toBeUndefined()
})
