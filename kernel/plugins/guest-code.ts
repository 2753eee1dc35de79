import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import type { Client } from '#sdk/service.ts'
import type { GuestModules, GuestPlugin, GuestTool, sandboxService } from '#sdk/services/sandbox.ts'
import type { PluginSource } from './read-plugin.ts'

/** How often the code of one is asked for its tools. */
const maxAsks = 3
/** Versions beside the live ones of which the sandbox may still ask: calls under way have begun with them. */
const maxReplaced = 16

/** The code of plugins, in versions that are not live yet, or not any more. */
export class GuestCode {
  readonly #sandbox: Client<typeof sandboxService>
  readonly #versions = new Map<string, GuestModules>()

  constructor(sandbox: Client<typeof sandboxService>) {
    this.#sandbox = sandbox
  }

  /** For the sandbox: the code of a version. */
  load({ plugin, digest }: GuestPlugin): GuestModules {
    const modules = this.#versions.get(digest)
    if (!modules) throw new RuntimeError('not_found', `plugin '${plugin}' has no version ${digest}`)
    return modules
  }

  /** Asks it, in the sandbox, which tools it has; they must be those of the manifest. */
  async describe({ manifest, digest, code }: PluginSource): Promise<Map<string, GuestTool>> {
    if (!code) return new Map()
    this.#keep(digest, code)
    const { tools } = await this.#ask({ plugin: manifest.name, digest })
    const declared = manifest.tools.filter(({ script }) => script === undefined).map(({ name }) => name)
    const defined = tools.map(({ name }) => name)
    const lacking = declared.filter((name) => !defined.includes(name))
    const secret = defined.filter((name) => !declared.includes(name))
    if (lacking.length > 0) throw new RuntimeError('invalid', `tools: the code does not define ${lacking.join(', ')}`)
    if (secret.length > 0)
      throw new RuntimeError('invalid', `tools: the code defines ${secret.join(', ')}, which plugin.toml does not name`)
    return new Map(tools.map((tool) => [tool.name, tool]))
  }

  /** Nobody waits for it: what the sandbox keeps of a version is bounded anyway. */
  forget({ digest, code }: PluginSource): void {
    if (code) this.#sandbox.forget({ digest }).catch(() => {})
  }

  /** Where the process ends by another's doing, it is asked again. */
  async #ask(version: GuestPlugin): Promise<{ tools: GuestTool[] }> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#sandbox.describe(version)
      } catch (thrown) {
        if (attempt === maxAsks || !isErrorOf(thrown, 'unavailable', 'outcome_unknown')) throw thrown
      }
    }
  }

  #keep(digest: string, code: GuestModules): void {
    this.#versions.delete(digest)
    this.#versions.set(digest, code)
    const [oldest] = this.#versions.size > maxReplaced ? this.#versions.keys() : []
    if (oldest !== undefined) this.#versions.delete(oldest)
  }
}
