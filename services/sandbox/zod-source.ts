import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'

const requiredPath = /require\("(\.[^"]+)"\)/g
/** Messages in sixty languages, of which guests get the English ones alone. */
const leftOut = new Set(['../locales/index.cjs'])

/**
 * Zod as one script for a context without modules: an expression that gives what `import { z } from 'zod'` does. It is
 * put together from the package's own files as they are.
 */
export function zodSource(): string {
  const require = createRequire(import.meta.url)
  const entry = resolve(dirname(require.resolve('zod/v4/core')), '../classic/external.cjs')
  const names = new Map<string, number>()
  const modules: string[] = []

  function add(file: string): number {
    const known = names.get(file)
    if (known !== undefined) return known
    const name = names.size
    names.set(file, name)
    const text = readFileSync(file, 'utf8')
    const needed: Record<string, number> = {}
    for (const [, path = ''] of text.matchAll(requiredPath)) {
      if (!leftOut.has(path)) needed[path] = add(resolve(dirname(file), path))
    }
    modules[name] = `[(exports, require, module) => {${text}\n}, ${JSON.stringify(needed)}]`
    return name
  }

  const first = add(entry)
  return `(() => {
    const modules = [${modules.join(',\n')}]
    const loaded = []
    const load = (name) => {
      if (name === undefined) return {}
      if (loaded[name]) return loaded[name].exports
      const module = (loaded[name] = { exports: {} })
      const [define, needed] = modules[name]
      define(module.exports, (path) => load(needed[path]), module)
      return module.exports
    }
    return Object.assign({}, load(${first}))
  })()`
}
