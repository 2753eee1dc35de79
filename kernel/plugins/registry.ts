import { existsSync, mkdirSync, realpathSync } from 'node:fs'
import { mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { EventBus } from '#kernel/events/bus.ts'
import { isOnPath } from '#kernel/guests/on-path.ts'
import { type EntryWatch, watchEntries } from '#kernel/guests/watch-entries.ts'
import { isNamed } from '#kernel/policy/name-pattern.ts'
import type { SealedStore } from '#kernel/secrets/sealed-store.ts'
import {
  deletePluginRow,
  findPluginRow,
  savePlugin,
  setPluginEnabled,
  setPluginSettings,
} from '#kernel/store/plugins.ts'
import type { Store } from '#kernel/store/store.ts'
import type { Tool } from '#kernel/tools/tool.ts'
import { isErrorOf, RuntimeError, reasonOf } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import { askedPermissions, pluginNamePattern, settingIssue } from '#sdk/plugin-manifest.ts'
import type { Client } from '#sdk/service.ts'
import type { GuestModules, GuestPlugin, GuestTool, sandboxService } from '#sdk/services/sandbox.ts'
import type { toolsService } from '#sdk/services/tools.ts'
import { httpFunctions } from './host/http-fetch.ts'
import { logFunctions } from './host/log.ts'
import { kvFunctions } from './host/stored-kv.ts'
import { HostCalls } from './host-calls.ts'
import { grantedPermissions, type Plugin, type PluginStatus, statusOf, wantsToRun } from './plugin.ts'
import { type PluginToolDeps, toolsOfPlugin } from './plugin-tools.ts'
import { readPlugin } from './read-plugin.ts'
import { SandboxCalls } from './sandbox-calls.ts'

const maxPlugins = 200
/** How often the code of one is asked for its tools. */
const maxAsks = 3
/** Versions that were replaced, of which the sandbox may still ask: calls under way have begun with them. */
const maxReplaced = 16

export interface PluginSettings {
  dir: string
  allow: readonly string[]
  deny: readonly string[]
  strict_permissions: boolean
  allowed_permissions: readonly string[]
}

interface PluginsDeps {
  store: Store
  bus: EventBus
  log: Logger
  secrets: SealedStore
  settings: () => PluginSettings
  sandbox: Client<typeof sandboxService>
  tools: Client<typeof toolsService>
  /** Ends the sandbox's process at once. */
  endSandbox: (reason: string) => void
}

/** The live plugins: what their folder holds, each as it was when it was last whole. */
export class Plugins {
  readonly #deps: PluginsDeps
  readonly #live = new Map<string, Plugin>()
  /** Folders that could not be read and have no last good version: why. */
  readonly #broken = new Map<string, string>()
  readonly #versions = new Map<string, GuestModules>()
  readonly #hosts: HostCalls
  readonly #toolDeps: PluginToolDeps
  #tools: Tool[] | undefined
  #dir = ''
  #watch: EntryWatch | undefined
  #work: Promise<unknown> = Promise.resolve()

  constructor(deps: PluginsDeps) {
    this.#deps = deps
    const { store, log, tools, sandbox, endSandbox: endProcess } = deps
    const secretOf = (plugin: string, name: string) => deps.secrets.get(secretName(plugin, name))
    this.#hosts = new HostCalls({
      ...kvFunctions(store),
      ...logFunctions(log),
      ...httpFunctions({ tools, secretOf }),
    })
    const calls = new SandboxCalls({ sandbox, endProcess, onStrikes: (plugin) => this.#disableForStrikes(plugin) })
    this.#toolDeps = { calls, hosts: this.#hosts, tools }
  }

  get dir(): string {
    return this.#dir
  }

  /** Reads the folder and follows it from there on. Settles once all that can run does. */
  async follow(): Promise<void> {
    const { dir } = this.#deps.settings()
    if (!existsSync(dir)) mkdirSync(dir, { recursive: true, mode: 0o700 })
    const real = realpathSync(dir)
    if (real !== this.#dir) {
      await this.#watch?.close()
      this.#dir = real
      this.#live.clear()
      this.#watch = watchEntries(real, {
        onChange: (entry) => this.#inTurn(() => this.#read(entry)),
        onError: (err) => this.#deps.log.warn({ err }, 'the plugins folder could not be watched'),
      })
    }
    await this.reload()
  }

  async close(): Promise<void> {
    await this.#watch?.close()
    await this.#work
  }

  /** By name. */
  list(): Plugin[] {
    return [...this.#live.values()].sort((left, right) => (left.row.name < right.row.name ? -1 : 1))
  }

  load(name: string): Plugin {
    const plugin = this.#live.get(name)
    if (!plugin) throw new RuntimeError('not_found', `plugin '${name}' not found`)
    return plugin
  }

  broken(): { name: string; error: string }[] {
    return [...this.#broken].map(([name, error]) => ({ name, error }))
  }

  status(plugin: Plugin): PluginStatus {
    return statusOf(plugin, this.#inAdvance())
  }

  granted(plugin: Plugin): string[] {
    return grantedPermissions(plugin, this.#inAdvance())
  }

  /** Of active plugins. The same list until something changes. */
  tools(): readonly Tool[] {
    this.#tools ??= this.list()
      .filter((plugin) => this.status(plugin) === 'Active')
      .flatMap((plugin) => toolsOfPlugin(plugin, grantedPermissions(plugin, this.#inAdvance()), this.#toolDeps))
    return this.#tools
  }

  /** Grants what the manifest asks for now, and starts it. */
  enable(name: string): Promise<Plugin> {
    return this.#inTurn(async () => {
      const plugin = this.load(name)
      if (plugin.refused)
        throw new RuntimeError('forbidden', `plugin '${name}' is kept out by plugins.deny or plugins.allow`)
      setPluginEnabled(this.#deps.store.durable, name, {
        enabled: true,
        granted: askedPermissions(plugin.source.manifest),
      })
      await this.#start(plugin)
      this.#announce(plugin)
      return plugin
    })
  }

  disable(name: string, reason: string | null = null): Promise<Plugin> {
    return this.#inTurn(async () => {
      const plugin = this.load(name)
      setPluginEnabled(this.#deps.store.durable, name, { enabled: false, granted: plugin.row.granted, reason })
      this.#refresh(plugin)
      this.#announce(plugin)
      await this.#deps.sandbox.forget({ digest: plugin.source.digest }).catch(() => {})
      return plugin
    })
  }

  /** `invalid` with the field that is wrong. null puts a setting back to its default. */
  configure(name: string, changes: Record<string, unknown>): Plugin {
    const plugin = this.load(name)
    const settings = { ...plugin.row.settings }
    for (const [key, value] of Object.entries(changes)) {
      const declared = Object.hasOwn(plugin.source.manifest.settings, key)
        ? plugin.source.manifest.settings[key]
        : undefined
      if (!declared) throw new RuntimeError('invalid', `settings.${key}: plugin '${name}' has no such setting`)
      if (value === null) delete settings[key]
      else {
        const wrong = settingIssue(declared, value)
        if (wrong) throw new RuntimeError('invalid', `settings.${key}: ${wrong}`)
        settings[key] = value
      }
    }
    setPluginSettings(this.#deps.store.write, name, settings)
    this.#refresh(plugin)
    this.#announce(plugin)
    return plugin
  }

  setSecret(name: string, secret: string, value: string | null): void {
    const { manifest } = this.load(name).source
    if (!manifest.secrets.some((declared) => declared.name === secret))
      throw new RuntimeError('not_found', `plugin '${name}' has no secret ${secret}`)
    if (value === null) this.#deps.secrets.delete(secretName(name, secret))
    else this.#deps.secrets.put(secretName(name, secret), value)
  }

  hasSecret(name: string, secret: string): boolean {
    return this.#deps.secrets.get(secretName(name, secret)) !== undefined
  }

  /** Moves its folder aside and forgets what was decided and kept. */
  async remove(name: string): Promise<void> {
    const plugin = this.#live.get(name)
    if (!plugin && !this.#broken.has(name)) throw new RuntimeError('not_found', `plugin '${name}' not found`)
    const trash = join(this.#dir, '.trash')
    await mkdir(trash, { recursive: true, mode: 0o700 })
    await rename(join(this.#dir, name), join(trash, `${timestamp().replaceAll(/[:.]/g, '-')}-${name}`))
    for (const secret of plugin?.source.manifest.secrets ?? []) this.#deps.secrets.delete(secretName(name, secret.name))
    deletePluginRow(this.#deps.store.write, name)
    await this.#inTurn(() => this.#read(name))
  }

  /** Reads everything again. One bad plugin blocks no other. */
  reload(): Promise<void> {
    return this.#inTurn(async () => {
      const entries = (await readdir(this.#dir))
        .filter((name) => pluginNamePattern.test(name))
        .sort()
        .slice(0, maxPlugins)
      for (const entry of new Set([...entries, ...this.#live.keys(), ...this.#broken.keys()])) await this.#read(entry)
    })
  }

  /** For the sandbox: the code of a version. */
  loadModules({ plugin, digest }: GuestPlugin): GuestModules {
    const live = this.#live.get(plugin)?.source
    const modules = live?.digest === digest ? live.code : this.#versions.get(digest)
    if (!modules) throw new RuntimeError('not_found', `plugin '${plugin}' has no version ${digest}`)
    return modules
  }

  /** For the sandbox: what a guest asks for. */
  readonly performHostCall: HostCalls['perform'] = (call) => this.#hosts.perform(call)

  async #read(entry: string): Promise<void> {
    if (!pluginNamePattern.test(entry)) return
    const { store, log, bus, settings } = this.#deps
    const root = join(this.#dir, entry)
    const known = this.#live.get(entry)
    if (!existsSync(join(root, 'plugin.toml'))) {
      this.#broken.delete(entry)
      if (!known) return
      this.#live.delete(entry)
      this.#tools = undefined
      bus.publish('plugin_changed', { name: entry, status: 'Removed' })
      return
    }
    try {
      const source = await readPlugin(root)
      if (known?.source.digest === source.digest && known.error === null && known.described !== null) return
      const { strict_permissions, allow, deny } = settings()
      const asked = askedPermissions(source.manifest)
      const beyond = asked.filter((name) => !this.#inAdvance().includes(name))
      if (strict_permissions && beyond.length > 0)
        throw new RuntimeError(
          'forbidden',
          `it asks for ${beyond.join(', ')}, which plugins.allowed_permissions does not have`,
        )
      const plugin: Plugin = {
        source,
        row: savePlugin(store.write, { name: entry, version: source.manifest.version }),
        described: null,
        error: null,
        missing: source.manifest.requirements
          .filter(({ optional, command }) => !optional && !isOnPath(command))
          .map(({ command }) => command),
        refused: isNamed(entry, deny) || (allow.length > 0 && !isNamed(entry, allow)),
      }
      await this.#start(plugin)
      if (plugin.error !== null && known?.described) throw new RuntimeError('invalid', plugin.error)
      this.#broken.delete(entry)
      this.#live.set(entry, plugin)
      this.#announce(plugin)
    } catch (thrown) {
      const error = reasonOf(thrown)
      log.warn(
        { plugin: entry, err: thrown },
        known ? 'a plugin is broken; its last good version stays' : 'a plugin is broken',
      )
      if (known) known.error = error
      else this.#broken.set(entry, error)
      bus.publish('plugin_changed', { name: entry, status: 'Error', error })
    }
  }

  /** Asks its code, in the sandbox, which tools it has; they must be those of the manifest. */
  async #start(plugin: Plugin): Promise<void> {
    this.#refresh(plugin)
    const { manifest, digest, code } = plugin.source
    if (!wantsToRun(plugin, this.#inAdvance())) return
    if (code) this.#keepVersion(digest, code)
    try {
      plugin.described = code ? await this.#describe(plugin) : new Map()
      plugin.error =
        plugin.missing.length > 0 ? `it needs ${plugin.missing.join(', ')}, which is not on the path` : null
    } catch (thrown) {
      plugin.described = null
      plugin.error = reasonOf(thrown)
      this.#deps.log.warn({ plugin: manifest.name, err: thrown }, 'a plugin does not start')
    }
    this.#tools = undefined
  }

  async #describe({ source: { manifest, digest } }: Plugin): Promise<Map<string, GuestTool>> {
    const { tools } = await this.#askSandbox({ plugin: manifest.name, digest })
    const declared = manifest.tools.filter(({ script }) => script === undefined).map(({ name }) => name)
    const defined = tools.map(({ name }) => name)
    const lacking = declared.filter((name) => !defined.includes(name))
    const secret = defined.filter((name) => !declared.includes(name))
    if (lacking.length > 0) throw new RuntimeError('invalid', `tools: the code does not define ${lacking.join(', ')}`)
    if (secret.length > 0)
      throw new RuntimeError('invalid', `tools: the code defines ${secret.join(', ')}, which plugin.toml does not name`)
    return new Map(tools.map((tool) => [tool.name, tool]))
  }

  /** Where the process ends by another's doing, it is asked again. */
  async #askSandbox(version: GuestPlugin): Promise<{ tools: GuestTool[] }> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#deps.sandbox.describe(version)
      } catch (thrown) {
        if (attempt === maxAsks || !isErrorOf(thrown, 'unavailable', 'outcome_unknown')) throw thrown
      }
    }
  }

  #keepVersion(digest: string, code: GuestModules): void {
    this.#versions.delete(digest)
    this.#versions.set(digest, code)
    const [oldest] = this.#versions.size > maxReplaced ? this.#versions.keys() : []
    if (oldest !== undefined) this.#versions.delete(oldest)
  }

  #disableForStrikes(name: string): void {
    const { log } = this.#deps
    log.error({ plugin: name }, 'a plugin ended the sandbox three times in five minutes and is disabled')
    this.disable(name, 'it ended the sandbox three times in five minutes').catch((err) =>
      log.error({ err, plugin: name }, 'a plugin could not be disabled'),
    )
  }

  #refresh(plugin: Plugin): void {
    const row = findPluginRow(this.#deps.store.durable, plugin.row.name)
    if (row) plugin.row = row
    this.#tools = undefined
  }

  #announce(plugin: Plugin): void {
    this.#tools = undefined
    const { error } = plugin
    this.#deps.bus.publish('plugin_changed', {
      name: plugin.row.name,
      status: this.status(plugin),
      ...(error !== null && { error }),
    })
  }

  #inAdvance(): readonly string[] {
    return this.#deps.settings().allowed_permissions
  }

  /** One change at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work)
    this.#work = done.catch(() => {})
    return done
  }
}

function secretName(plugin: string, secret: string): string {
  return `plugin/${plugin}/${secret}`
}
