import { createServer } from 'node:http'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { canary, toolOf } from '../../support/plugin-faults.ts'
import { serveFor } from './serve.ts'

/*
 * A host as most are: plugins are modules of its own process, and each call stands in a try. Its arguments are the
 * folder of the plugins and their names.
 */

interface PluginModule {
  default: { tools: Record<string, { run(context: { input: unknown }): unknown }> }
}

// As operators give a house its keys.
process.env[canary.name] = canary.value

const [folder = '', ...names] = process.argv.slice(2)
const plugins = new Map<string, PluginModule['default']>()
for (const name of names) {
  const { default: plugin } = (await import(pathToFileURL(join(folder, name, 'plugin.js')).href)) as PluginModule
  plugins.set(name, plugin)
}

serveFor(
  createServer(async (request, response) => {
    const answer = (status: number, body: unknown) => {
      response.statusCode = status
      response.end(JSON.stringify(body))
    }
    if (request.url === '/health') return answer(200, { status: 'ok' })
    const name = request.url?.slice(1) ?? ''
    try {
      const input = await json(request)
      answer(200, { output: await plugins.get(name)?.tools[toolOf(name)]?.run({ input }) })
    } catch (thrown) {
      answer(500, { error: String(thrown) })
    }
  }),
)
