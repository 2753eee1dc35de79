import { expect, onTestFinished, test } from 'vitest'
import { openSandbox } from '../support/sandbox-scene.ts'

const plugins = 16
const callsOfEach = 30
const memory_bytes = 64 * 1_048_576

const withSchemas = `import { definePlugin, tool, z } from '@keel/sdk'
export default definePlugin({
  tools: { run: tool({ input: z.object({ text: z.string() }), output: z.string(), run: ({ input }) => input.text }) },
})`

test('many honest plugins, each called again and again, stay together within the memory of one process', async () => {
  const names = Array.from({ length: plugins }, (_, at) => `plugin-${at}`)
  const scene = openSandbox({ plugins: Object.fromEntries(names.map((name) => [name, withSchemas])) })
  onTestFinished(() => scene.close())
  const call = (plugin: string) =>
    scene.run(plugin, { input: { text: plugin }, limits: { memory_bytes, wall_ms: 10_000, cpu_ms: 5_000 } })
  await call('plugin-0')
  const { pid } = scene.status()
  for (const name of names) {
    for (let n = 0; n < callsOfEach; n++) expect(await call(name)).toMatchObject({ status: 'success', output: name })
  }
  expect(scene.status()).toMatchObject({ state: 'ready', pid })
})
