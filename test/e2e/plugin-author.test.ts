import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const keelCommand = join(root, 'kernel/cli/keel.mjs')
const folder = mkdtempSync(join(tmpdir(), 'keel-author-'))
const plugin = join(folder, 'tip-jar')

let upstream: Upstream
let keel: Daemon

beforeAll(async () => {
  upstream = await startUpstream((request) => {
    const { messages } = request.body as { messages: { role: string; content: string }[] }
    const last = messages.at(-1)
    if (last?.role === 'tool') return { text: `It is ${/"tip":([\d.]+)/.exec(last.content)?.[1]}.` }
    return { toolCalls: [{ name: 'tip_jar_tip', arguments: '{"bill": 40, "percent": 15}' }] }
  })
  keel = await startDaemon({ config: upstreamConfig(upstream.url) })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
  rmSync(folder, { recursive: true, force: true })
})

/** As an author has it, whose Node is another than Keel's. */
const path = process.env.PATH?.split(':').filter((folder) => !folder.includes('node_modules'))
const env = () => ({ ...process.env, PATH: path?.join(':'), KEEL_HOME: keel.home, NO_COLOR: '1' })

/** A command as an author types it, in the folder it is typed in. */
function run(file: string, args: string[], cwd: string, typed = ''): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = execFile(file, args, { cwd, env: env(), timeout: 90_000 }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, output: stdout + stderr }),
    )
    child.stdin?.end(typed)
  })
}

const command = (args: string[], cwd = plugin, typed = '') => run(process.execPath, [keelCommand, ...args], cwd, typed)
const compile = () => run(process.execPath, [join(plugin, 'node_modules/typescript/bin/tsc')], plugin)

test('a new author comes from `keel plugin new` to a tool that the agent uses', async () => {
  const made = await command(['plugin', 'new', 'tip-jar'], folder)
  expect(made.output).toContain('npm install')
  expect(made.code).toBe(0)
  expect(await run('npm', ['install', '--no-audit', '--no-fund'], plugin)).toMatchObject({ code: 0 })
  expect(await command(['plugin', 'test'])).toMatchObject({ code: 0, output: expect.stringContaining('2 passed') })
  expect(await compile()).toMatchObject({ code: 0 })

  // What the author makes of it.
  const manifest = readFileSync(join(plugin, 'plugin.toml'), 'utf8')
  writeFileSync(
    join(plugin, 'plugin.toml'),
    manifest.replaceAll('tip_jar_greet', 'tip_jar_tip').replace('Greets somebody by name.', 'Computes a tip.'),
  )
  writeFileSync(
    join(plugin, 'plugin.ts'),
    `import { definePlugin, tool, z } from '@keel/sdk'
export default definePlugin({
  tools: {
    tip_jar_tip: tool({
      input: z.object({ bill: z.number().positive(), percent: z.number().min(0).max(100) }),
      output: z.object({ tip: z.number() }),
      run: ({ input }) => ({ tip: (input.bill * input.percent) / 100 }),
    }),
  },
})
`,
  )
  const installed = await command(['plugin', 'install', '.'])
  expect(installed.output).toContain('tip-jar is Active')
  expect((await command(['plugin', 'run', 'tip-jar', 'tip_jar_tip', '{"bill": 10, "percent": 20}'])).output).toBe(
    '{"tip":2}\n',
  )
  const wrong = await command(['plugin', 'run', 'tip-jar', 'tip_jar_tip', '{"bill": "ten"}'])
  expect(wrong).toMatchObject({ code: 1, output: expect.stringContaining('bill') })

  const answer = await keel.client.agent.sendMessage({ body: { content: 'What is a fair tip on 40?' } })
  expect(answer).toMatchObject({ content: 'It is 6.', tools_used: ['tip_jar_tip'] })
  const { tool_calls } = await keel.client.audit.listToolAudit({ params: { turn_id: answer.turn_id } })
  expect(tool_calls).toMatchObject([{ tool_name: 'tip_jar_tip', plugin: 'tip-jar', status: 'success' }])
}, 120_000)

test('the SDK is a package like any other: its files, its exports, its types', async () => {
  const installed = join(plugin, 'node_modules/@keel/sdk')
  expect(readdirSync(installed).sort()).toEqual(['dist', 'package.json'])
  const { exports } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    exports: Record<string, Record<string, string>>
  }
  expect(Object.keys(exports)).toEqual(['.', './testing'])
  for (const path of Object.values(exports).flatMap(Object.values))
    expect(existsSync(join(installed, path)), path).toBe(true)
  const names = `const sdk = await import('@keel/sdk'); const testing = await import('@keel/sdk/testing')
console.log(Object.keys(sdk).sort().join(), Object.keys(testing).join())`
  expect(await run(process.execPath, ['--input-type=module', '-e', names], plugin)).toEqual({
    code: 0,
    output: 'definePlugin,tool,z openPlugin\n',
  })

  const code = readFileSync(join(plugin, 'plugin.ts'), 'utf8')
  for (const [right, wrong, problem] of [
    ['input.bill * ', 'input.bil * ', "Property 'bil' does not exist"],
    ['({ tip: ', '({ tips: ', 'tips: number'],
    ['run: ({ input })', 'run: ({ inputs })', "Property 'inputs' does not exist"],
  ] as const) {
    writeFileSync(join(plugin, 'plugin.ts'), code.replace(right, wrong))
    expect(await compile(), wrong).toMatchObject({ code: expect.any(Number), output: expect.stringContaining(problem) })
  }
  writeFileSync(join(plugin, 'plugin.ts'), code)
  expect(await compile()).toEqual({ code: 0, output: '' })
}, 60_000)

test('an operator looks at it, sets it up, keeps it from running and lets it run again', async () => {
  const manifest = readFileSync(join(plugin, 'plugin.toml'), 'utf8')
  const more = `permissions = ["http.fetch"]
[http]
hosts = ["api.example.org"]
[[secrets]]
name = "API_KEY"
hosts = ["api.example.org"]
`
  writeFileSync(join(plugin, 'plugin.toml'), manifest.replace('permissions = []\n', more))
  const refused = await command(['plugin', 'install', '.'])
  expect(refused.output).toContain('It asks for: http.fetch')
  expect(refused.output).toContain('with the secret API_KEY, for api.example.org')
  expect(refused.output).toContain('Nothing was installed.')
  expect((await command(['plugin', 'install', '.', '--yes'])).output).toContain(
    'tip-jar is Active and may use http.fetch.',
  )

  expect((await command(['plugin', 'config', 'tip-jar', 'greeting', 'Welcome'])).output).toBe('greeting = "Welcome"\n')
  expect((await command(['plugin', 'config', 'tip-jar'])).output).toMatch(/greeting +"Welcome" +"Hello"/)
  expect((await command(['plugin', 'config', 'tip-jar', 'greeting'])).output).toBe('greeting = "Hello"\n')
  expect(await command(['plugin', 'config', 'tip-jar', 'colour', 'red'])).toMatchObject({
    code: 1,
    output: expect.stringContaining("plugin 'tip-jar' has no setting colour"),
  })

  expect(await command(['plugin', 'secret', 'tip-jar', 'API_KEY'], plugin, 'typed-unseen\n')).toEqual({
    code: 0,
    output: 'API_KEY of tip-jar is stored sealed.\n',
  })
  const shown = await command(['plugin', 'show', 'tip-jar'])
  expect(shown.output).toContain('secret API_KEY: set')
  expect(shown.output).not.toContain('typed-unseen')
  expect((await command(['plugin', 'secret', 'tip-jar', 'API_KEY', '--forget'])).output).toContain('is forgotten')
  expect((await command(['plugin', 'show', 'tip-jar'])).output).toContain('secret API_KEY: not set')

  expect((await command(['plugin', 'disable', 'tip-jar'])).output).toBe('tip-jar is disabled.\n')
  expect((await command(['plugin', 'list'])).output).toMatch(/tip-jar +0\.1\.0 +Disabled +tip_jar_tip/)
  const run = ['plugin', 'run', 'tip-jar', 'tip_jar_tip', '{"bill": 10, "percent": 20}']
  expect(await command(run)).toMatchObject({ code: 1, output: expect.stringContaining('not found') })
  expect((await command(['plugin', 'enable', 'tip-jar'])).output).toContain('tip-jar is Active')
  expect(await command(run)).toMatchObject({ code: 0, output: '{"tip":2}\n' })
  writeFileSync(join(plugin, 'plugin.toml'), manifest)
}, 60_000)

test('`keel plugin dev` brings each save into the running Keel, and says what is wrong with one', async () => {
  const code = readFileSync(join(plugin, 'plugin.ts'), 'utf8')
  const child = spawn(process.execPath, [keelCommand, 'plugin', 'dev'], { cwd: plugin, env: env() })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const said = (text: string) =>
    eventually(text, () => output.includes(text), 10_000).then(() => {
      output = ''
    })
  const tip = () =>
    keel.client.plugins.executePluginTool({
      params: { name: 'tip-jar', tool: 'tip_jar_tip' },
      body: { bill: 10, percent: 20 },
    })
  await said('Watching')
  writeFileSync(join(plugin, 'plugin.ts'), code.replace('/ 100', '/ 10'))
  await said('tip-jar 0.1.0 is Active')
  expect(await tip()).toMatchObject({ result: { output: '{"tip":20}' } })
  writeFileSync(join(plugin, 'plugin.ts'), 'export default {')
  await said('✗ plugin.ts')
  expect(await tip()).toMatchObject({ result: { output: '{"tip":20}' } })
  writeFileSync(join(plugin, 'plugin.ts'), code.replace('tip_jar_tip', 'tip_jar_other'))
  await said('✗ tools: the code does not define tip_jar_tip')
  expect(await tip()).toMatchObject({ result: { output: '{"tip":20}' } })
  writeFileSync(join(plugin, 'plugin.ts'), code)
  await said('tip-jar 0.1.0 is Active')
  expect(await tip()).toMatchObject({ result: { output: '{"tip":2}' } })
  child.kill('SIGINT')
  const [exitCode] = await once(child, 'exit')
  expect(exitCode).toBe(0)
}, 60_000)

test('one in JavaScript needs no packages to be installed', async () => {
  expect((await command(['plugin', 'new', 'plain-one', '--js'], folder)).code).toBe(0)
  expect((await command(['plugin', 'install', 'plain-one'], folder)).output).toContain('plain-one is Active')
  const ran = await command(['plugin', 'run', 'plain-one', 'plain_one_greet', '{"name": "Ada"}'], folder)
  expect(ran.output).toBe('{"text":"Hello, Ada!"}\n')
  expect(await command(['plugin', 'new', 'plain-one'], folder)).toMatchObject({
    code: 1,
    output: expect.stringContaining('is not empty'),
  })
  expect(await command(['plugin', 'new', 'Plain One'], folder)).toMatchObject({
    code: 1,
    output: expect.stringContaining('lower-case letters'),
  })
}, 60_000)

test('packed into one file it is the same for whoever installs it', async () => {
  const packed = JSON.parse((await command(['plugin', 'pack', '.', '--json'])).output) as {
    archive: string
    sha256: string
    files: string[]
  }
  expect(packed.files.sort()).toEqual(['README.md', 'plugin.toml', 'plugin.ts'])
  const again = JSON.parse((await command(['plugin', 'pack', '.', '--json'])).output) as { sha256: string }
  expect(again.sha256).toBe(packed.sha256)
  expect((await command(['plugin', 'uninstall', 'tip-jar'])).code).toBe(0)
  expect((await command(['plugin', 'install', packed.archive])).output).toContain('tip-jar is Active')
  await eventually('it is listed', async () => {
    const { plugins } = await keel.client.plugins.listPlugins()
    return plugins.some(({ name, status }) => name === 'tip-jar' && status === 'Active')
  })
}, 60_000)
