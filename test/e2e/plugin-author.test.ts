import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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

/** A command as an author types it, in the folder it is typed in. */
function run(file: string, args: string[], cwd: string): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, KEEL_HOME: keel.home, NO_COLOR: '1' }
    execFile(file, args, { cwd, env, timeout: 90_000 }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, output: stdout + stderr }),
    )
  })
}

const command = (args: string[], cwd = plugin) => run(process.execPath, [keelCommand, ...args], cwd)

test('a new author comes from `keel plugin new` to a tool that the agent uses', async () => {
  const made = await command(['plugin', 'new', 'tip-jar'], folder)
  expect(made.output).toContain('npm install')
  expect(made.code).toBe(0)
  copyFileSync(join(root, '.npmrc'), join(plugin, '.npmrc'))
  expect(await run('npm', ['install', '--no-audit', '--no-fund'], plugin)).toMatchObject({ code: 0 })
  expect(await command(['plugin', 'test'])).toMatchObject({ code: 0, output: expect.stringContaining('2 passed') })
  expect(await run(process.execPath, [join(plugin, 'node_modules/typescript/bin/tsc')], plugin)).toMatchObject({
    code: 0,
  })

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
