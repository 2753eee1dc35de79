import { posix } from 'node:path'
import type ivm from 'isolated-vm'
import type { GuestModules } from '#sdk/services/sandbox.ts'
import { namesZod, runtimeGlobal } from './snapshots.ts'

const mainName = 'keel:main'
const runtimeName = 'keel:runtime'
const sdkName = '@keel/sdk'
/** Up to this, compiling takes less than its way to another thread and back. */
const maxOnTheSpotChars = 32_768

const runtimeModule = `
const runtime = globalThis.${runtimeGlobal}
delete globalThis.${runtimeGlobal}
export const { receive, sdk } = runtime`

const sdkModule = `
import { sdk } from '${runtimeName}'
export const { definePlugin, tool, z } = sdk`

/** A plugin's code can not be loaded; the message is for its author. */
export class LoadFailure extends Error {}

interface GuestModule {
  text: string
  /** Where each import of it leads to. */
  imports: Map<string, string>
}

/** The code of one version of a plugin, and how its modules hang together. */
export class GuestProgram {
  readonly usesZod: boolean
  readonly #own: ReadonlyMap<string, string>
  readonly #entry: string
  readonly #isShort: boolean
  /** Every module that is used; known once they were compiled for the first time. */
  #graph: Map<string, GuestModule> | undefined

  constructor({ entry, modules }: GuestModules) {
    this.#own = new Map(Object.entries(modules))
    this.#entry = entry
    this.usesZod = namesZod(this.#own.values())
    this.#isShort = this.#own.values().reduce((sum, text) => sum + text.length, 0) <= maxOnTheSpotChars
    if (!this.#own.has(entry)) throw new LoadFailure(`The plugin's entry ${entry} is missing`)
  }

  /**
   * Compiles the modules for one context and links them, which runs nothing of the guest's; evaluating the module it
   * returns does. The isolate has to be at rest.
   */
  async link(isolate: ivm.Isolate, context: ivm.Context): Promise<{ main: ivm.Module; release: () => void }> {
    const compiled = new Map<string, ivm.Module>()
    const compile = async (path: string, text: string) => {
      const module = await isolate.compileModule(text, { filename: path })
      compiled.set(path, module)
      return module
    }
    if (!this.#graph) this.#graph = await this.#explore(compile)
    else if (this.#isShort) {
      for (const [path, { text }] of this.#graph)
        compiled.set(path, isolate.compileModuleSync(text, { filename: path }))
    } else await Promise.all(Array.from(this.#graph, ([path, { text }]) => compile(path, text)))
    const graph = this.#graph
    const pathOf = new Map(Array.from(compiled, ([path, module]) => [module, path]))
    const main = compiled.get(mainName) as ivm.Module
    main.instantiateSync(context, (specifier, referrer) => {
      const target = graph.get(pathOf.get(referrer) ?? '')?.imports.get(specifier)
      return compiled.get(target ?? '') as ivm.Module
    })
    return {
      main,
      release: () => {
        for (const module of compiled.values()) module.release()
      },
    }
  }

  async #explore(compile: (path: string, text: string) => Promise<ivm.Module>): Promise<Map<string, GuestModule>> {
    const graph = new Map<string, GuestModule>()
    const open = [mainName]
    for (let path = open.pop(); path !== undefined; path = open.pop()) {
      if (graph.has(path)) continue
      const text = this.#textOf(path)
      const { dependencySpecifiers } = await compile(path, text)
      const imports = new Map(dependencySpecifiers.map((specifier) => [specifier, this.#targetOf(specifier, path)]))
      graph.set(path, { text, imports })
      open.push(...imports.values())
    }
    return graph
  }

  #textOf(path: string): string {
    if (path === mainName) {
      return `import { receive } from '${runtimeName}'
        import '${sdkName}'
        import * as plugin from ${JSON.stringify(`./${this.#entry}`)}
        receive(plugin)`
    }
    if (path === runtimeName) return runtimeModule
    if (path === sdkName) return sdkModule
    return this.#own.get(path) ?? ''
  }

  #targetOf(specifier: string, from: string): string {
    if (specifier === sdkName) return sdkName
    if (specifier === runtimeName && (from === mainName || from === sdkName)) return runtimeName
    if (specifier.startsWith('./') || specifier.startsWith('../')) {
      const path = posix.join(from === mainName ? '.' : posix.dirname(from), specifier)
      if (this.#own.has(path)) return path
      throw new LoadFailure(`${this.#said(from)} imports '${specifier.slice(0, 200)}', which the plugin does not have`)
    }
    throw new LoadFailure(
      `${this.#said(from)} imports '${specifier.slice(0, 200)}'; a plugin imports ${sdkName} and its own files alone`,
    )
  }

  #said(path: string): string {
    return path.slice(0, 200)
  }
}
