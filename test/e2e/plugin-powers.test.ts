import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { maxToolOutputBytes } from '#sdk/services/tools.ts'
import { type Daemon, eventually, startDaemon, upstreamConfig } from '../support/daemon.ts'
import { manifestOf, moduleOf, sayingPlugin, writePlugin } from '../support/plugin-folder.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

/*
 * What a plugin can do with what it was granted, through all of Keel: the internet, its secret, a turn of the agent; and
 * what becomes of one that ends the sandbox again and again.
 */

const secret = 'value-that-nobody-sees'
const home = mkdtempSync(join(tmpdir(), 'keel-home-'))
const plugins = join(home, 'plugins')
const asked: { url: string | undefined; authorization: string | undefined }[] = []
const far = createServer((request, response) => {
  asked.push({ url: request.url, authorization: request.headers.authorization })
  if (request.url === '/elsewhere') response.writeHead(302, { location: 'http://localhost:1/' }).end()
  else response.end(`you sent ${request.headers.authorization}`)
})
let upstream: Upstream
let keel: Daemon

beforeAll(async () => {
  await new Promise<void>((resolve) => far.listen(0, '127.0.0.1', resolve))
  const host = `http://127.0.0.1:${(far.address() as AddressInfo).port}`
  writePlugin(plugins, 'reader', {
    'plugin.toml': manifestOf(
      'reader',
      { read: 'risk = "safe"', see: 'risk = "safe"', wander: 'risk = "safe"' },
      `permissions = ["http.fetch"]
[http]
hosts = ["${host}"]
[[secrets]]
name = "TOKEN"
hosts = ["${host}"]`,
    ),
    'plugin.js': moduleOf({
      read: `const headers = { authorization: 'Bearer ' + host.secrets.TOKEN }
        const answer = await host.http.fetch('${host}/', { headers })
        await host.log.info('read', { answer })
        return { body: answer.body, own: headers.authorization }`,
      see: 'return host.secrets.TOKEN',
      wander: `return (await host.http.fetch('${host}/elsewhere')).body`,
    }),
  })
  writePlugin(plugins, 'slow', {
    'plugin.toml': manifestOf('slow', { count: 'risk = "safe"' }),
    'plugin.js': moduleOf({
      count: `for (let at = 1; at <= 3; at++) {
          progress('Counting ' + at, at / 4)
          await new Promise((go) => setTimeout(go, 120))
        }
        return 'counted'`,
    }),
  })
  writePlugin(plugins, 'fatal', {
    'plugin.toml': manifestOf('fatal', { fatal: 'risk = "safe"\nidempotent = true' }),
    'plugin.js': moduleOf({ fatal: `await host.log.info('fatal is running'); await new Promise(() => {})` }),
  })
  writePlugin(plugins, 'long', {
    'plugin.toml': manifestOf('long', { recite: 'risk = "safe"' }),
    'plugin.js': moduleOf({ recite: `return 'verse '.repeat(50_000)` }),
  })
  writePlugin(plugins, 'steady', sayingPlugin('steady', 'steady', 'here'))
  upstream = await startUpstream((request) => {
    const { messages, tools } = request.body as {
      messages: { role: string; content: string }[]
      tools?: { function: { name: string } }[]
    }
    const last = messages.at(-1)
    if (last?.role === 'tool') return { text: `It says ${last.content}` }
    if (last?.content.includes('Recite')) return { toolCalls: [{ name: 'recite', arguments: '{}' }] }
    const offered = tools?.map((tool) => tool.function.name) ?? []
    return offered.includes('count') ? { toolCalls: [{ name: 'count', arguments: '{}' }] } : { text: 'Not offered.' }
  })
  keel = await startDaemon({ home, config: upstreamConfig(upstream.url) })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  await upstream.close()
  far.close()
  rmSync(home, { recursive: true, force: true, maxRetries: 5 })
})

async function execute(name: string, tool: string) {
  const answer = await keel.client.plugins.executePluginTool({ params: { name, tool }, body: {} })
  if (!('result' in answer)) throw new Error(answer.status)
  return answer.result
}

test('a secret goes to its host, and neither plugin, answer nor log sees it', async () => {
  await keel.client.plugins.enablePlugin({ params: { name: 'reader' } })
  expect(await execute('reader', 'read')).toMatchObject({
    success: false,
    output: expect.stringContaining('keel plugin secret reader TOKEN'),
  })
  await keel.client.plugins.setPluginSecret({ params: { name: 'reader', secret: 'TOKEN' }, body: { value: secret } })
  const { success, output } = await execute('reader', 'read')
  expect(success).toBe(true)
  expect(asked.at(-1)).toEqual({ url: '/', authorization: `Bearer ${secret}` })
  expect(JSON.parse(output)).toEqual({ body: 'you sent Bearer {{secret:TOKEN}}', own: 'Bearer {{secret:TOKEN}}' })
  expect((await execute('reader', 'see')).output).toBe('{{secret:TOKEN}}')

  await keel.client.plugins.setPluginSecret({ params: { name: 'reader', secret: 'TOKEN' }, body: { value: 'changed' } })
  await execute('reader', 'read')
  expect(asked.at(-1)?.authorization).toBe('Bearer changed')
  expect(keel.output()).toContain('plugin:reader')
  expect(keel.output()).not.toContain(secret)
})

test('a redirect leads to no host that was not granted', async () => {
  expect(await execute('reader', 'wander')).toMatchObject({
    success: false,
    output: expect.stringContaining('localhost:1 is none of the hosts that may be visited'),
  })
})

test('the agent uses a tool, and who waits for it hears how far it is', async () => {
  const progress: string[] = []
  let content = ''
  for await (const event of keel.client.agent.streamMessage.stream({ body: { content: 'Count' } })) {
    if (event.type === 'tool_progress') progress.push(event.message)
    if (event.type === 'stream_end') content = event.content
  }
  expect(content).toContain('counted')
  expect(progress).toContain('Counting 2 (50 %)')
})

test('a model is shown the beginning of a long answer, a caller of the API all of it', async () => {
  await keel.client.agent.sendMessage({ body: { content: 'Recite' } })
  const body = upstream.requests.at(-1)?.body as { messages: { role: string; content: string }[] } | undefined
  const shown = body?.messages.findLast(({ role }) => role === 'tool')?.content ?? ''
  expect(Buffer.byteLength(shown)).toBeLessThanOrEqual(maxToolOutputBytes + 200)
  expect(shown).toContain('the full output has 300000 bytes')
  expect((await execute('long', 'recite')).output).toHaveLength(300_000)
})

test('one that is disabled is offered to no model', async () => {
  await keel.client.plugins.disablePlugin({ params: { name: 'slow' } })
  expect(await keel.client.agent.sendMessage({ body: { content: 'Count again' } })).toMatchObject({
    content: 'Not offered.',
  })
})

test('one that ends the sandbox three times is disabled, and nobody else notices', async () => {
  const runs = () => keel.output().split('fatal is running').length - 1
  const status = async () => {
    const { plugins: all } = await keel.client.plugins.listPlugins()
    return all.find(({ name }) => name === 'fatal')
  }
  const answers = [1, 2, 3].map(() => execute('fatal', 'fatal').catch((thrown: Error) => thrown.message))
  let seen = 0
  while ((await status())?.status === 'Active') {
    await eventually('it runs', async () => runs() > seen || (await status())?.status !== 'Active', 10_000)
    const { services } = await keel.client.services.listServices()
    const pid = services.find(({ name }) => name === 'sandbox')?.pid
    seen = runs()
    if (pid && (await status())?.status === 'Active') process.kill(pid, 'SIGKILL')
    expect((await execute('steady', 'steady')).output).toBe('here')
  }
  expect(await status()).toMatchObject({
    status: 'Disabled',
    warnings: [expect.stringContaining('it ended the sandbox three times in five minutes')],
  })
  for (const answer of await Promise.all(answers))
    expect(JSON.stringify(answer)).toMatch(/ended the process each time it ran|not found/)
  expect((await execute('steady', 'steady')).output).toBe('here')
  await keel.client.plugins.enablePlugin({ params: { name: 'fatal' } })
  expect(await status()).toMatchObject({ status: 'Active', warnings: [] })
}, 60_000)
