import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Daemon, eventually, startDaemon } from '../support/daemon.ts'
import { EventFollower } from '../support/event-follower.ts'
import { manifestOf, sayingPlugin, writePlugin } from '../support/plugin-folder.ts'

const home = mkdtempSync(join(tmpdir(), 'keel-home-'))
const plugins = join(home, 'plugins')
let keel: Daemon

const house = {
  'plugin.toml': manifestOf(
    'house',
    {
      say: 'risk = "safe"',
      count: 'risk = "safe"',
      burn: 'dangerous = true',
      fail: '',
      wait: '',
      hidden: 'expose = false',
    },
    `description = "Says things."
permissions = ["kv"]
timeout_seconds = 5
companion_skills = ["skills/manners.md"]
[settings.word]
type = "string"
default = "hello"
enum = ["hello", "welcome"]
[settings.times]
type = "number"
default = 1
minimum = 1
maximum = 3
[[secrets]]
name = "TOKEN"
hosts = ["api.example.org"]
[[requirements]]
name = "A shell"
command = "sh"
[[requirements]]
name = "A thing"
command = "no-such-program"
optional = true
install_hint = "make one"`,
  ),
  'plugin.ts': `import { definePlugin, tool, z } from '@keel/sdk'
export default definePlugin({
  tools: {
    say: tool({
      description: 'Says the word.',
      input: z.object({ name: z.string() }),
      run: ({ input, settings }) => Array(settings.times).fill(\`\${settings.word} \${input.name}\`).join(' '),
    }),
    count: tool({
      output: z.object({ count: z.number() }),
      async run({ host }) {
        const count = (((await host.kv.get('count')) as number | null) ?? 0) + 1
        await host.kv.set('count', count)
        return { count }
      },
    }),
    burn: tool({ run: () => 'burnt' }),
    fail: tool({ run() { throw new Error('it is broken inside') } }),
    wait: tool({ run: () => new Promise(() => {}) }),
    hidden: tool({ run: () => 'seen' }),
  },
})
`,
  'skills/manners.md': '---\nname: manners\ndescription: How to greet.\n---\nBe kind.\n',
}

const scripted = {
  'plugin.toml': manifestOf(
    'scripted',
    {
      shout: 'risk = "safe"\nscript = "bin/shout.sh"',
      upload: 'script = "bin/shout.sh"\npermissions = ["filesystem", "network"]',
      stop: 'script = "bin/stop.sh"',
    },
    'permissions = ["process"]',
  ),
  'bin/shout.sh': '#!/bin/sh\ncat\necho\n',
  'bin/stop.sh': '#!/bin/sh\necho partly\necho "no more" >&2\nexit 3\n',
}

beforeAll(async () => {
  writePlugin(plugins, 'house', house)
  writePlugin(plugins, 'scripted', scripted)
  writePlugin(plugins, 'twin', sayingPlugin('twin', 'say', 'twin'))
  writePlugin(plugins, 'mimic', sayingPlugin('mimic', 'read_file', 'not a file'))
  writePlugin(plugins, 'forger', sayingPlugin('forger', 'house__say', 'forged'))
  writePlugin(plugins, 'torn', { 'plugin.toml': 'name = "torn"\nversion = \n' })
  writePlugin(plugins, 'Odd_Name', sayingPlugin('odd-name', 'odd', 'odd'))
  writePlugin(
    plugins,
    'needy',
    sayingPlugin('needy', 'need', 'x', '[[requirements]]\nname = "x"\ncommand = "no-such-program"'),
  )
  writePlugin(plugins, 'kept-out', sayingPlugin('kept-out', 'out', 'out'))
  keel = await start('[plugins]\ndeny = ["kept-*"]\n')
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  rmSync(home, { recursive: true, force: true, maxRetries: 5 })
})

/** Once all plugins have been read; a start does not wait for those that take seconds. */
async function start(config?: string): Promise<Daemon> {
  const daemon = await startDaemon({ home, ...(config !== undefined && { config }) })
  await daemon.client.plugins.reloadPlugins()
  return daemon
}

async function call(method: string, path: string, body?: unknown) {
  const init = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  const answer = await keel.fetch(path, { method, ...init })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

const execute = (plugin: string, tool: string, input: unknown = {}) =>
  call('POST', `/api/plugins/${plugin}/execute/${tool}`, input)

async function find(name: string) {
  const { plugins: all } = await keel.client.plugins.listPlugins()
  return all.find((plugin) => plugin.name === name)
}

async function manners() {
  const { skills } = await keel.client.skills.listSkills()
  return skills.find(({ name }) => /^house-[0-9a-f]{12}-manners$/.test(name))
}

describe('the list', () => {
  test('has every folder, by name, and counts the tools of active ones', async () => {
    const { plugins: all, count, total_tools } = await keel.client.plugins.listPlugins()
    expect(all.map(({ name }) => name)).toEqual(all.map(({ name }) => name).sort())
    expect(Object.fromEntries(all.map(({ name, status }) => [name, status]))).toEqual({
      Odd_Name: 'Error',
      forger: 'Active',
      house: 'Loaded',
      'kept-out': 'Disabled',
      mimic: 'Active',
      needy: 'Error',
      scripted: 'Loaded',
      torn: 'Error',
      twin: 'Active',
    })
    expect(count).toBe(all.length)
    expect(total_tools).toBe(3)
  })

  test('says what each asks for, needs and lacks', async () => {
    expect(await find('house')).toMatchObject({
      version: '1.0.0',
      description: 'Says things.',
      enabled: false,
      permissions: ['kv'],
      granted: [],
      timeout_seconds: 5,
      requirements: [
        { command: 'sh', optional: false, found: true, install_hint: null },
        { command: 'no-such-program', optional: true, found: false, install_hint: 'make one' },
      ],
      warnings: [expect.stringContaining('keel plugin enable house')],
    })
    expect(await find('torn')).toMatchObject({ enabled: false, error: expect.stringContaining('not valid TOML') })
    expect(await find('Odd_Name')).toMatchObject({ error: expect.stringContaining('lower-case letters') })
    expect(await find('needy')).toMatchObject({ error: expect.stringContaining('no-such-program') })
  })

  test('one that is broken is not unknown: each route says why it can not be used', async () => {
    for (const [method, path] of [
      ['GET', '/api/plugins/torn'],
      ['PUT', '/api/plugins/torn/toggle'],
      ['POST', '/api/plugins/torn/execute/x'],
    ] as const) {
      const { status, body } = await call(method, path)
      expect(status, path).toBe(422)
      expect(body.error).toContain("plugin 'torn' is broken: plugin.toml is not valid TOML")
    }
  })
})

describe('enable, disable, toggle', () => {
  test('honour the body, say the status, and last over a restart', async () => {
    expect(await call('PUT', '/api/plugins/house/toggle', { enabled: true })).toEqual({
      status: 200,
      body: { name: 'house', toggled: true, status: 'Active' },
    })
    expect((await call('PUT', '/api/plugins/house/toggle', { enabled: true })).body.status).toBe('Active')
    expect(await find('house')).toMatchObject({ enabled: true, granted: ['kv'], warnings: [] })
    expect((await call('PUT', '/api/plugins/twin/toggle', { enabled: false })).body.status).toBe('Disabled')
    await keel.stop()
    keel = await start()
    expect(await find('house')).toMatchObject({ status: 'Active', granted: ['kv'] })
    expect(await find('twin')).toMatchObject({ status: 'Disabled' })
  }, 30_000)

  test('without a body, toggle turns it over', async () => {
    expect((await call('PUT', '/api/plugins/twin/toggle')).body.status).toBe('Active')
    expect((await call('PUT', '/api/plugins/twin/toggle', {})).body.status).toBe('Disabled')
    expect((await execute('twin', 'say')).status).toBe(404)
    expect(await call('POST', '/api/plugins/twin/enable')).toEqual({
      status: 200,
      body: { name: 'twin', status: 'enabled' },
    })
    expect((await call('POST', '/api/plugins/twin/disable')).body).toEqual({ name: 'twin', status: 'disabled' })
    await call('POST', '/api/plugins/twin/enable')
  })

  test('an unknown one is 404, one that the configuration keeps out 403', async () => {
    expect(await call('PUT', '/api/plugins/nobody/toggle', { enabled: true })).toEqual({
      status: 404,
      body: expect.objectContaining({ error: "plugin 'nobody' not found" }),
    })
    const { status, body } = await call('POST', '/api/plugins/kept-out/enable')
    expect(status).toBe(403)
    expect(body.error).toContain('plugins.deny')
  })

  test('the skills that it brings are there while it may run', async () => {
    const companions = () => readdirSync(join(home, 'skills')).filter((name) => name.startsWith('house--'))
    expect(companions()).toEqual([expect.stringMatching(/^house--[0-9a-f]{12}--manners\.md$/)])
    expect(readFileSync(join(home, 'skills', companions()[0] ?? ''), 'utf8')).toContain('Be kind.')
    const knows = async () => (await manners())?.drift_status === 'in_sync'
    await eventually('the skill is live', knows, 15_000)
    await call('POST', '/api/plugins/house/disable')
    expect(companions()).toEqual([])
    await eventually('the skill is gone', async () => !(await knows()), 15_000)
    await call('POST', '/api/plugins/house/enable')
    expect(companions()).toHaveLength(1)
  })
})

describe('execute', () => {
  test('gives the output of a safe tool, and keeps a record', async () => {
    const { status, body } = await execute('house', 'count')
    expect({ status, body }).toMatchObject({
      status: 200,
      body: {
        plugin: 'house',
        tool: 'count',
        result: {
          success: true,
          output: '{"count":1}',
          metadata: { format: 'json', host: { 'kv.get': { count: 1 } } },
        },
        duration_ms: expect.any(Number),
      },
    })
    expect((await execute('house', 'count')).body).toMatchObject({ result: { output: '{"count":2}' } })
    const db = new Database(join(home, 'keel.db'), { readonly: true })
    const call = db.prepare('SELECT * FROM tool_calls ORDER BY rowid DESC LIMIT 1').get()
    const decision = db.prepare('SELECT * FROM policy_decisions ORDER BY rowid DESC LIMIT 1').get()
    db.close()
    expect(call).toMatchObject({ tool_name: 'count', plugin: 'house', status: 'success', output: '{"count":2}' })
    expect(decision).toMatchObject({ tool_name: 'count', decision: 'allow' })
  })

  test('a tool that fails is an answer', async () => {
    expect(await execute('house', 'fail')).toMatchObject({
      status: 200,
      body: { result: { success: false, output: expect.stringContaining('it is broken inside') } },
    })
    expect(await execute('house', 'say', { name: 7 })).toMatchObject({
      status: 200,
      body: {
        result: { success: false, output: expect.stringContaining('name'), metadata: { fault: 'invalid_input' } },
      },
    })
    expect((await execute('house', 'say', [1])).status).toBe(400)
  })

  test('an unknown tool is 404, and another plugin’s is 400 with its owner', async () => {
    expect(await execute('house', 'nothing')).toEqual({
      status: 404,
      body: expect.objectContaining({ error: "tool 'nothing' not found in plugin 'house'" }),
    })
    expect(await execute('twin', 'count')).toEqual({
      status: 400,
      body: expect.objectContaining({ error: "tool 'count' belongs to plugin 'house', not 'twin'" }),
    })
    expect((await execute('nobody', 'say')).status).toBe(404)
  })

  test('each runs its own tool, whatever others call theirs', async () => {
    expect((await execute('house', 'say', { name: 'you' })).body).toMatchObject({ result: { output: 'hello you' } })
    expect((await execute('twin', 'say')).body).toMatchObject({ result: { output: 'twin' } })
    expect((await execute('forger', 'house__say')).body).toMatchObject({ result: { output: 'forged' } })
    expect((await execute('mimic', 'read_file')).body).toMatchObject({ result: { output: 'not a file' } })
    const { tools } = await keel.client.plugins.listPluginTools()
    expect(tools.filter(({ name }) => name === 'say').map(({ plugin }) => plugin)).toEqual(['house', 'twin'])
    expect(tools.find(({ name, plugin }) => name === 'say' && plugin === 'house')).toMatchObject({
      description: 'Says the word.',
      risk_level: 'Safe',
      permissions: ['kv'],
      parameters: { properties: { name: { type: 'string' } }, required: ['name'] },
    })
  })

  test('a dangerous one is refused without approvals, and waits for one with them', async () => {
    const refused = await execute('house', 'burn')
    expect(refused.status).toBe(403)
    expect(refused.body.error).toContain('Dangerous-level')
    await keel.client.config.updateConfig({ body: { approvals: { enabled: true, gate_risk: 'Forbidden' } } })
    const waiting = await execute('house', 'burn')
    expect(waiting).toEqual({ status: 202, body: { status: 'awaiting_approval', request_id: expect.any(String) } })
    const { pending } = await keel.client.approvals.listApprovals()
    expect(pending).toMatchObject([{ tool_name: 'burn', risk_level: 'Dangerous' }])
    await keel.client.approvals.denyRequest({ params: { id: String(waiting.body.request_id) } })
    await keel.client.config.updateConfig({ body: { approvals: { enabled: false }, plugins: { api_dangerous: true } } })
    expect((await execute('house', 'burn')).body).toMatchObject({ result: { output: 'burnt' } })
    await keel.client.config.updateConfig({ body: { plugins: { api_dangerous: false } } })
  })

  test('a caller with less authority is told by which rule', async () => {
    await keel.client.config.updateConfig({ body: { security: { api_authority: 'External' } } })
    const { status, body } = await execute('house', 'fail')
    await keel.client.config.updateConfig({ body: { security: { api_authority: 'Creator' } } })
    expect(status).toBe(403)
    expect(body.error).toBe("External authority cannot use Caution-level tool 'fail'")
  })

  test('a client that hangs up ends the call', async () => {
    const events = new EventFollower(keel)
    await events.connect()
    const caller = new AbortController()
    const { signal } = caller
    const answer = keel.client.plugins.executePluginTool({ params: { name: 'house', tool: 'wait' }, body: {}, signal })
    const seen = (type: string) => events.events.find((event) => event.type === type && event.tool_name === 'wait')
    await eventually('it runs', () => seen('tool_call_started') !== undefined)
    caller.abort()
    await expect(answer).rejects.toThrow()
    await eventually('it has ended', () => seen('tool_call') !== undefined)
    expect(seen('tool_call')).toMatchObject({ status: 'unknown' })
    await events.cut()
  })
})

describe('scripts', () => {
  test('run with what they are given once programs are granted, and are never safe', async () => {
    expect(await find('scripted')).toMatchObject({ status: 'Loaded', permissions: ['process', 'network'] })
    await call('POST', '/api/plugins/scripted/enable')
    expect((await find('scripted'))?.tools.map(({ risk_level }) => risk_level)).toEqual([
      'Caution',
      'Caution',
      'Caution',
    ])
    expect((await execute('scripted', 'shout', { word: 'hey' })).body).toMatchObject({
      result: { success: true, output: '{"word":"hey"}', metadata: { exit_code: 0, json: { word: 'hey' } } },
    })
    expect((await execute('scripted', 'stop')).body).toMatchObject({
      result: { success: false, metadata: { exit_code: 3 } },
    })
  })

  test('an input that names what they did not ask for is refused', async () => {
    const { status, body } = await execute('scripted', 'shout', { file: '/etc/passwd', url: 'https://example.org' })
    expect(status).toBe(403)
    expect(body.error).toBe("plugin 'scripted' tool 'shout' missing required permissions: filesystem, network")
    expect((await execute('scripted', 'upload', { file: 'a.txt', url: 'https://example.org' })).status).toBe(200)
  })
})

describe('settings and secrets', () => {
  test('are checked, take effect at once, and go back to their defaults', async () => {
    const put = (settings: unknown) => call('PUT', '/api/plugins/house/settings', { settings })
    expect(await put({ word: 'welcome', times: 2 })).toEqual({
      status: 200,
      body: { name: 'house', settings: { word: 'welcome', times: 2 } },
    })
    expect((await execute('house', 'say', { name: 'you' })).body).toMatchObject({
      result: { output: 'welcome you welcome you' },
    })
    for (const [settings, problem] of [
      [{ word: 'go away' }, 'settings.word: expected one of hello, welcome'],
      [{ times: 4 }, 'settings.times: expected at most 3'],
      [{ times: 'two' }, 'settings.times: expected a number'],
      [{ colour: 'red' }, "settings.colour: plugin 'house' has no such setting"],
      [{ valueOf: 'x' }, "settings.valueOf: plugin 'house' has no such setting"],
    ] as const)
      expect(await put(settings)).toMatchObject({ status: 400, body: { error: problem } })
    expect((await put({ word: null, times: null })).body.settings).toEqual({ word: 'hello', times: 1 })
    expect((await call('GET', '/api/plugins/house')).body.settings).toMatchObject([
      { name: 'word', type: 'string', default: 'hello', enum: ['hello', 'welcome'], value: 'hello' },
      { name: 'times', value: 1 },
    ])
  })

  test('a secret is stored sealed and never told', async () => {
    const value = 'plainly-visible-secret'
    const put = (given: unknown, name = 'TOKEN') => call('PUT', `/api/plugins/house/secrets/${name}`, { value: given })
    expect(await put(value)).toEqual({ status: 200, body: { name: 'house', secret: 'TOKEN', set: true } })
    const detail = await call('GET', '/api/plugins/house')
    expect(detail.body.secrets).toEqual([{ name: 'TOKEN', description: '', hosts: ['api.example.org'], set: true }])
    expect(JSON.stringify([detail.body, await keel.client.plugins.listPlugins()])).not.toContain(value)
    expect(keel.output()).not.toContain(value)
    for (const file of ['keel.db', 'keel.db-wal']) {
      const path = join(home, file)
      if (existsSync(path)) expect(readFileSync(path).includes(value), file).toBe(false)
    }
    expect((await put('two\r\nlines')).body.error).toContain('value')
    expect((await put('x', 'OTHER')).status).toBe(404)
    expect((await call('DELETE', '/api/plugins/house/secrets/TOKEN')).body).toEqual({
      name: 'house',
      secret: 'TOKEN',
      set: false,
    })
    expect((await call('GET', '/api/plugins/house')).body.secrets).toMatchObject([{ set: false }])
  })
})

describe('reload and removal', () => {
  test('reload says what was refused', async () => {
    const { status, body } = await call('POST', '/api/plugins/reload')
    expect(status).toBe(200)
    expect(body).toMatchObject({ reloaded: true, count: 9 })
    expect(body.issues).toEqual(
      expect.arrayContaining([expect.stringMatching(/^rejected plugin 'torn': plugin\.toml is not valid TOML/)]),
    )
  })

  test('one that is removed goes to the trash, and what it kept and was given is forgotten', async () => {
    await call('PUT', '/api/plugins/house/secrets/TOKEN', { value: 'again' })
    expect((await execute('house', 'count')).status).toBe(200)
    expect(await call('DELETE', '/api/plugins/house')).toEqual({ status: 200, body: { name: 'house', deleted: true } })
    expect(await find('house')).toBeUndefined()
    expect(readdirSync(join(plugins, '.trash'))).toEqual([expect.stringMatching(/-house$/)])
    expect((await execute('house', 'say')).status).toBe(404)
    expect(await manners()).toBeUndefined()
    expect((await call('DELETE', '/api/plugins/house')).status).toBe(404)

    writePlugin(plugins, 'house', house)
    await call('POST', '/api/plugins/reload')
    expect(await find('house')).toMatchObject({ status: 'Loaded', granted: [] })
    expect((await call('GET', '/api/plugins/house')).body.secrets).toMatchObject([{ set: false }])
    await call('POST', '/api/plugins/house/enable')
    expect((await execute('house', 'count')).body).toMatchObject({ result: { output: '{"count":1}' } })
  })

  test('what can not be read can be removed as well', async () => {
    expect((await call('DELETE', '/api/plugins/torn')).status).toBe(200)
    expect(await find('torn')).toBeUndefined()
  })
})

test('a home without plugins has an empty list', async () => {
  const empty = await startDaemon()
  try {
    expect(await empty.client.plugins.listPlugins()).toEqual({ plugins: [], count: 0, total_tools: 0 })
  } finally {
    await empty.dispose()
  }
}, 30_000)
