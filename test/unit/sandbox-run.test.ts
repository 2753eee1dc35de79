import { afterAll, beforeAll, expect, test } from 'vitest'
import { RuntimeError } from '#sdk/errors.ts'
import type { HostCall } from '#sdk/services/sandbox.ts'
import { eventually } from '../support/daemon.ts'
import { guest, type OpenSandbox, openSandbox } from '../support/sandbox-scene.ts'

const weather = `import { definePlugin, tool, z } from '@keel/sdk'
import { words } from './lib/words.js'
export default definePlugin({
  tools: {
    forecast: tool({
      description: 'Tells the weather.',
      input: z.object({ city: z.string().max(20), days: z.number().int().min(1).default(1) }),
      output: z.object({ text: z.string() }),
      async run({ input }) { return { text: words(input.city, input.days), secret: 'left out' } },
    }),
    wrong: tool({ output: z.object({ text: z.string() }), run: () => ({ text: 1 }) }),
  },
})`

const plugins: Record<string, string | Record<string, string>> = {
  weather: {
    'plugin.js': weather,
    'lib/words.js': `import { days } from '../days.js'\nexport const words = (city, count) => city + ', ' + days(count)`,
    'days.js': "export const days = (count) => count + ' days'",
  },
  text: guest("return 'hello ' + input.name"),
  json: guest('return { twice: input.count * 2, unit: settings.unit }'),
  fetches: guest(
    `const answer = await host.http.fetch('https://a.example/', { headers: { authorization: 'Bearer ' + host.secrets.API_KEY } })
     return { ok: answer.ok, text: answer.text(), first: answer.json()[0], header: answer.headers.a }`,
  ),
  keeps: guest(
    `await host.kv.set('a', { deep: [1] }); void host.log.info('kept'); return [await host.kv.get('a'), await host.kv.get('b')]`,
  ),
  refused: guest('return await host.kv.get("a").catch((error) => error.message)'),
  huge: guest('return await host.kv.get("huge").catch((error) => error.message)'),
  nested: guest(
    'let deep = []; for (let at = 0; at < 50; at++) deep = [deep]; return await host.kv.set("a", deep).catch((error) => error.message)',
  ),
  slow: guest(
    `for (let at = 1; at <= 3; at++) { progress('step ' + at, at / 3); await new Promise((go) => setTimeout(go, 80)) }; return 'done'`,
  ),
  waits: guest(
    `signal.addEventListener('abort', () => void host.log.info('aborted: ' + signal.reason.message))
     const answer = host.kv.get('never'); progress('waiting'); await answer; return 1`,
  ),
  counts: guest('globalThis.count = (globalThis.count ?? 0) + 1; return globalThis.count'),
  random: guest('return Math.random()'),
  throws: guest('await null; undefined.x'),
  imports: `import { readFileSync } from 'node:fs'\n${guest('return 1')}`,
  missing: `import { x } from './x.js'\n${guest('return 1')}`,
  escapes: `import { x } from '../../services/sandbox/main.ts'\n${guest('return 1')}`,
  inner: `import { sdk } from 'keel:runtime'\n${guest('return 1')}`,
  syntax: 'export default definePlugin({',
  toplevel: `throw new TypeError('not today')`,
  bare: 'export const x = 1',
}

const hostCalls: HostCall[] = []
let scene: OpenSandbox

beforeAll(() => {
  scene = openSandbox({
    plugins,
    callHost(call, signal) {
      hostCalls.push(call)
      const [key] = call.args
      if (call.name === 'http.fetch') return { status: 200, headers: { a: 'b' }, body: '["one"]' }
      if (key === 'never')
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      if (key === 'huge') return 'x'.repeat(1_100_000)
      if (call.name === 'kv.get' && key === 'a' && call.call_id === 'refuse') {
        throw new RuntimeError('forbidden', 'The operator took it back')
      }
      return call.name === 'kv.get' && key === 'a' ? { deep: [1] } : null
    },
  })
})

afterAll(() => scene.close())

test('a text goes out as it is, anything else as JSON', async () => {
  expect(await scene.run('text', { input: { name: 'Ada' } })).toEqual({
    status: 'success',
    output: 'hello Ada',
    metadata: null,
    fault: null,
  })
  expect(await scene.run('json', { input: { count: 21 }, settings: { unit: 'm' } })).toEqual({
    status: 'success',
    output: '{"twice":42,"unit":"m"}',
    metadata: { format: 'json' },
    fault: null,
  })
})

test('a plugin of several modules is described, and its schemas hold for what goes in and out', async () => {
  const { tools } = await scene.sandbox.describe({ plugin: 'weather', digest: 'weather' })
  expect(tools).toMatchObject([
    {
      name: 'forecast',
      description: 'Tells the weather.',
      parameters: { type: 'object', properties: { city: { type: 'string', maxLength: 20 } }, required: ['city'] },
      output: { type: 'object', required: ['text'] },
    },
    { name: 'wrong', description: null, parameters: { type: 'object' } },
  ])
  const forecast = (input: Record<string, unknown>) => scene.run('weather', { tool: 'forecast', input })
  expect(await forecast({ city: 'Ulm' })).toMatchObject({ output: '{"text":"Ulm, 1 days"}', fault: null })
  const wrong = await forecast({ city: 'x'.repeat(21), days: 0 })
  expect(wrong).toMatchObject({ status: 'error', fault: 'invalid_input' })
  expect(wrong.output).toMatch(/at city[\s\S]+at days/)
  expect(await scene.run('weather', { tool: 'wrong' })).toMatchObject({ fault: 'bad_output' })
  expect(await scene.run('weather', { tool: 'none' })).toMatchObject({
    fault: 'threw',
    output: expect.stringContaining("'none'"),
  })
})

test('host functions are performed by the kernel, and a secret is a text that stands for it', async () => {
  const granted = { host: ['http.fetch', 'secrets.API_KEY', 'kv.get', 'kv.set', 'log.info'] }
  expect(await scene.run('fetches', granted)).toMatchObject({
    output: '{"ok":true,"text":"[\\"one\\"]","first":"one","header":"b"}',
  })
  expect(hostCalls.at(-1)).toMatchObject({
    name: 'http.fetch',
    args: ['https://a.example/', { headers: { authorization: 'Bearer {{secret:API_KEY}}' } }],
  })
  expect(await scene.run('keeps', { ...granted, call_id: 'keeps' })).toMatchObject({ output: '[{"deep":[1]},null]' })
  await eventually('the line is written', () => hostCalls.some(({ args }) => args[0] === 'kept'))
  expect(hostCalls.filter(({ call_id }) => call_id === 'keeps').map(({ name }) => name)).toEqual([
    'kv.set',
    'log.info',
    'kv.get',
    'kv.get',
  ])
  expect(await scene.run('refused', { ...granted, call_id: 'refuse' })).toMatchObject({
    output: 'kv.get: The operator took it back',
  })
  expect(await scene.run('huge', granted)).toMatchObject({ output: 'kv.get: its answer is too large' })
  expect(await scene.run('nested', granted)).toMatchObject({ output: 'kv.set: what it was given is nested too deep' })
  expect(await scene.run('refused', { host: [] })).toMatchObject({
    fault: 'threw',
    output: expect.stringContaining('kv.get is not granted'),
  })
})

test('a tool tells how far it is, and waits with a timer', async () => {
  const seen: unknown[] = []
  const answer = await scene.run('slow', {}, { onChunk: (chunk) => void seen.push(chunk) })
  expect(answer.output).toBe('done')
  expect(seen).toEqual([
    { type: 'started' },
    ...[1, 2, 3].map((at) => ({ type: 'progress', message: `step ${at}`, fraction: at / 3 })),
  ])
})

test('a caller that cancels is free at once; the guest is told, and what it asked for is given up', async () => {
  const leaving = new AbortController()
  const before = hostCalls.length
  const answer = scene.run(
    'waits',
    { host: ['kv.get', 'log.info'] },
    {
      signal: leaving.signal,
      onChunk(chunk) {
        if (chunk.type === 'progress') leaving.abort()
      },
    },
  )
  await expect(answer).rejects.toMatchObject({ kind: 'cancelled' })
  expect(await scene.run('text', { input: { name: 'Bo' } })).toMatchObject({ output: 'hello Bo' })
  expect(hostCalls.slice(before)).toMatchObject([{ name: 'kv.get' }])
})

test('each call has a context of its own, and the plugin is loaded once', async () => {
  const counts = []
  for (let at = 0; at < 3; at++) counts.push((await scene.run('counts')).output)
  expect(counts).toEqual(['1', '1', '1'])
  const random = await Promise.all(Array.from({ length: 6 }, () => scene.run('random')))
  expect(new Set(random.map(({ output }) => output)).size).toBe(6)
  expect(scene.loads.filter((plugin) => plugin === 'counts')).toHaveLength(1)
  await scene.sandbox.forget({ digest: 'counts' })
  await scene.run('counts')
  expect(scene.loads.filter((plugin) => plugin === 'counts')).toHaveLength(2)
})

test.each([
  ['imports', /^plugin\.js imports 'node:fs'; a plugin imports @keel\/sdk and its own files alone$/],
  ['missing', /^plugin\.js imports '\.\/x\.js', which the plugin does not have$/],
  ['escapes', /which the plugin does not have$/],
  ['inner', /^plugin\.js imports 'keel:runtime';/],
  ['syntax', /^Unexpected end of input \[plugin\.js:1:\d+\]$/],
  ['toplevel', /not today/],
  ['bare', /definePlugin/],
])('a plugin that can not be loaded is told why: %s', async (plugin, why) => {
  const answer = await scene.run(plugin)
  expect(answer).toMatchObject({ status: 'error', fault: 'threw', output: expect.stringMatching(why) })
  await expect(scene.sandbox.describe({ plugin, digest: plugin })).rejects.toMatchObject({
    kind: 'unprocessable',
    message: expect.stringMatching(why),
  })
})

test('an error names its place in the plugin, and a plugin that is gone is the kernel’s to tell', async () => {
  expect(await scene.run('throws')).toMatchObject({
    fault: 'threw',
    output: "TypeError: Cannot read properties of undefined (reading 'x') (plugin.js:6:86)",
  })
  await expect(scene.run('gone')).rejects.toMatchObject({ kind: 'not_found' })
})
