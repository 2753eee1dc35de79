import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Daemon } from '../support/daemon.ts'
import { type Guest, reloadBench } from './reloads.ts'

const manifest = `name = "counter"
version = "1.0.0"

[[tools]]
name = "counter_read"
risk = "safe"
idempotent = true
`

const code = (version: number) => `import { definePlugin, tool, z } from '@keel/sdk'

const version: number = ${version}

export default definePlugin({
  tools: {
    counter_read: tool({
      description: 'Tells which version of the file this is.',
      input: z.object({ padding: z.string().max(1000).optional() }),
      output: z.object({ version: z.number().int() }),
      run: () => ({ version }),
    }),
  },
})
`

export const pluginReload = reloadBench(
  'a plugin in TypeScript saved again and again while two callers use its tool over HTTP',
  counterOf,
)

function counterOf({ home, pid, client }: Daemon): Guest {
  const folder = join(home, 'plugins', 'counter')
  const save = (version: number) => writeFileSync(join(folder, 'plugin.ts'), code(version))
  mkdirSync(folder, { recursive: true })
  save(1)
  writeFileSync(join(folder, 'plugin.toml'), manifest)
  return {
    save,
    async ask() {
      const answer = await client.plugins.executePluginTool({
        params: { name: 'counter', tool: 'counter_read' },
        body: { padding: 'x'.repeat(900) },
      })
      if (!('result' in answer)) throw new Error(answer.status)
      if (!answer.result.success) throw new Error(answer.result.output)
      return (JSON.parse(answer.result.output) as { version: number }).version
    },
    async processes() {
      const { services } = await client.services.listServices()
      return { kernel: pid, sandbox: services.find(({ name }) => name === 'sandbox')?.pid ?? 0 }
    },
  }
}
