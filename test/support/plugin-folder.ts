import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export type PluginFiles = Readonly<Record<string, string>>

/** Writes the files of a plugin into a folder of its name, one after the other. */
export function writePlugin(plugins: string, name: string, files: PluginFiles): string {
  const folder = join(plugins, name)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

/** Puts a plugin in its place in one step, so that no reader sees half of it. */
export function placePlugin(plugins: string, name: string, files: PluginFiles): void {
  const drafts = join(plugins, '.drafts')
  const folder = writePlugin(drafts, name, files)
  rmSync(join(plugins, name), { recursive: true, force: true })
  renameSync(folder, join(plugins, name))
}

/** `plugin.toml`, with one table for each tool. */
export function manifestOf(name: string, tools: Readonly<Record<string, string>>, more = ''): string {
  const tables = Object.entries(tools).map(([tool, keys]) => `[[tools]]\nname = "${tool}"\n${keys}\n`)
  return `name = "${name}"\nversion = "1.0.0"\n${more}\n${tables.join('\n')}`
}

/** A module whose tools have these bodies; each sees `input`, `settings`, `host`, `progress` and `signal`. */
export function moduleOf(bodies: Readonly<Record<string, string>>): string {
  const tools = Object.entries(bodies).map(
    ([name, body]) => `${name}: tool({ async run({ input, settings, host, progress, signal }) { ${body} } }),`,
  )
  return `import { definePlugin, tool } from '@keel/sdk'\nexport default definePlugin({ tools: { ${tools.join('\n')} } })\n`
}

/** One tool that is safe and says a word. */
export function sayingPlugin(name: string, tool: string, word: string, more = ''): Record<string, string> {
  return {
    'plugin.toml': manifestOf(name, { [tool]: 'risk = "safe"' }, more),
    'plugin.js': moduleOf({ [tool]: `return ${JSON.stringify(word)}` }),
  }
}
