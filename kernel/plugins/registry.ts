import { existsSync, mkdirSync, realpathSync } from 'node:fs'
import { mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { EventBus } from '#kernel/events/bus.ts'
import { isOnPath } from '#kernel/guests/on-path.ts'
import { isForeignFolder } from '#kernel/guests/plain-file.ts'
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
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import {
  askedPermissions,
  type Permission,
  type PluginManifest,
  pluginNamePattern,
  settingIssue,
} from '#sdk/plugin-manifest.ts'
import type { Client } from '#sdk/service.ts'
import type { GuestModules, GuestPlugin, sandboxService } from '#sdk/services/sandbox.ts'
import type { toolsService } from '#sdk/services/tools.ts'
import { placeCompanions } from './companion-skills.ts'
import { type Grants, grantsAskedBy, grantsLacking, grantsOf } from './grants.ts'
import { GuestCode } from './guest-code.ts'
import { httpFunctions } from './host/http-fetch.ts'
import { logFunctions } from './host/log.ts'
import { kvFunctions } from './host/stored-kv.ts'
import { HostCalls } from './host-calls.ts'
import { type Plugin, type PluginStatus, statusOf, wantsToRun } from './plugin.ts'
import { PluginSecrets } from './plugin-secrets.ts'
import { type PluginToolDeps, toolsOfPlugin } from './plugin-tools.ts'
import { readPlugin } from './read-plugin.ts'
import { SandboxCalls } from './sandbox-calls.ts'

const maxPlugins = 200
/** Of its folder. */
const maxEntries = 1_000

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
  /** Where the skills are that plugins bring along. */
  skillsDir: () => string
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
  readonly #code: GuestCode
  readonly secrets: PluginSecrets
  readonly #hosts: HostCalls
  readonly #toolDeps: PluginToolDeps
  #tools: Tool[] | undefined
  #dir = ''
  #watch: EntryWatch | undefined
  #work: Promise<unknown> = Promise.resolve()

  constructor(deps: PluginsDeps) {
    this.#deps = deps
    const { store, log, tools, sandbox, endSandbox: endProcess } = deps
    this.#code = new GuestCode(sandbox)
    this.secrets = new PluginSecrets(deps.secrets)
    const secretOf = (plugin: string, name: string) => this.secrets.get(plugin, name)
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
    // What is granted in advance may have changed.
    this.#tools = undefined
    if (real !== this.#dir) {
      const before = this.#watch
      this.#dir = real
      this.#watch = watchEntries(real, {
        onChange: (entry) => this.#inTurn(() => this.#read(entry)),
        onError: (err) => this.#deps.log.warn({ err }, 'the plugins folder could not be watched'),
      })
      await before?.close()
      await this.#inTurn(async () => {
        for (const name of this.#live.keys()) this.#deps.bus.publish('plugin_changed', { name, status: 'Removed' })
        this.#live.clear()
        this.#broken.clear()
        this.#tools = undefined
      })
      // What is saved while the folder is read is seen.
      await this.#watch.ready
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
    if (plugin) return plugin
    const error = this.#broken.get(name)
    if (error !== undefined) throw new RuntimeError('unprocessable', `plugin '${name}' is broken: ${error}`)
    throw new RuntimeError('not_found', `plugin '${name}' not found`)
  }

  broken(): { name: string; error: string }[] {
    return [...this.#broken].map(([name, error]) => ({ name, error }))
  }

  status(plugin: Plugin): PluginStatus {
    return statusOf(plugin, this.#inAdvance())
  }

  /** What it may use, and what it asks for beyond that. */
  grants(plugin: Plugin): { granted: Permission[]; lacking: string[] } {
    const inAdvance = this.#inAdvance()
    return { granted: [...grantsOf(plugin, inAdvance).permissions], lacking: grantsLacking(plugin, inAdvance) }
  }

  /** Of active plugins. The same list until something changes. */
  tools(): readonly Tool[] {
    this.#tools ??= this.list()
      .filter((plugin) => this.status(plugin) === 'Active')
      .flatMap((plugin) => toolsOfPlugin(plugin, this.#grantsOf(plugin), this.#toolDeps))
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
        granted: grantsAskedBy(plugin.source.manifest),
      })
      await this.#start(plugin)
      await this.#placeCompanions(plugin)
      this.#announce(plugin)
      return plugin
    })
  }

  disable(name: string, reason: string | null = null): Promise<Plugin> {
    return this.#inTurn(async () => {
      const plugin = this.load(name)
      setPluginEnabled(this.#deps.store.durable, name, { enabled: false, granted: plugin.row.granted, reason })
      this.#refresh(plugin)
      plugin.described = null
      await this.#placeCompanions(plugin)
      this.#announce(plugin)
      this.#code.forget(plugin.source)
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
    this.secrets.set(name, secret, value)
  }

  /** Moves its folder aside and forgets what was decided and kept. */
  remove(name: string): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#live.has(name) && !this.#broken.has(name))
        throw new RuntimeError('not_found', `plugin '${name}' not found`)
      const trash = join(this.#dir, '.trash')
      await mkdir(trash, { recursive: true, mode: 0o700 })
      await rename(join(this.#dir, name), join(trash, `${timestamp().replaceAll(/[:.]/g, '-')}-${name}`))
      this.secrets.forgetAll(name)
      await this.#read(name)
      deletePluginRow(this.#deps.store.write, name)
    })
  }

  /** Reads everything again. One bad plugin blocks no other. */
  reload(): Promise<void> {
    return this.#inTurn(async () => {
      const found = (await readdir(this.#dir)).filter((name) => !isForeignFolder(name)).sort()
      if (found.length > maxEntries)
        this.#deps.log.warn({ dir: this.#dir }, `the plugins folder has more than ${maxEntries} entries`)
      const entries = found.slice(0, maxEntries)
      for (const entry of new Set([...entries, ...this.#live.keys(), ...this.#broken.keys()])) await this.#read(entry)
    })
  }

  /** For the sandbox: the code of a version. */
  loadModules(version: GuestPlugin): GuestModules {
    const live = this.#live.get(version.plugin)?.source
    return live?.code && live.digest === version.digest ? live.code : this.#code.load(version)
  }

  /** For the sandbox: what a guest asks for. */
  readonly performHostCall: HostCalls['perform'] = (call) => this.#hosts.perform(call)

  async #read(entry: string): Promise<void> {
    const { store, log, bus, settings } = this.#deps
    const root = join(this.#dir, entry)
    const known = this.#live.get(entry)
    if (!existsSync(join(root, 'plugin.toml'))) {
      this.#broken.delete(entry)
      if (!known) return
      this.#live.delete(entry)
      this.#tools = undefined
      await placeCompanions(entry, new Map(), this.#deps.skillsDir())
      bus.publish('plugin_changed', { name: entry, status: 'Removed' })
      this.#code.forget(known.source)
      return
    }
    try {
      if (!pluginNamePattern.test(entry))
        throw new RuntimeError(
          'invalid',
          'its folder is to be called as it is: lower-case letters, digits and -, at most 64',
        )
      if (!known && this.#live.size >= maxPlugins)
        throw new RuntimeError('too_large', `there are ${maxPlugins} plugins already`)
      const source = await readPlugin(root)
      this.#refuseBeyondStrict(entry, source.manifest)
      const { allow, deny } = settings()
      const refused = isNamed(entry, deny) || (allow.length > 0 && !isNamed(entry, allow))
      const runs = known !== undefined && wantsToRun(known, this.#inAdvance())
      const isSame = known?.source.digest === source.digest && known.error === null && known.refused === refused
      if (isSame && runs === (known.described !== null)) return
      const plugin: Plugin = {
        source,
        row: savePlugin(store.write, { name: entry, version: source.manifest.version }),
        described: null,
        error: null,
        missing: source.manifest.requirements
          .filter(({ optional, command }) => !optional && !isOnPath(command))
          .map(({ command }) => command),
        refused,
      }
      await this.#start(plugin)
      if (plugin.error !== null && known?.described) throw new RuntimeError('invalid', plugin.error)
      this.#broken.delete(entry)
      this.#live.set(entry, plugin)
      await this.#placeCompanions(plugin)
      this.#announce(plugin)
      if (known && known.source.digest !== source.digest) this.#code.forget(known.source)
    } catch (thrown) {
      const error = reasonOf(thrown)
      const stays = this.#live.get(entry)
      if (error === (stays ? stays.error : this.#broken.get(entry))) return
      log.warn(
        { plugin: entry, err: thrown },
        stays ? 'a plugin is broken; its last good version stays' : 'a plugin is broken',
      )
      if (stays) stays.error = error
      else this.#broken.set(entry, error)
      bus.publish('plugin_changed', { name: entry, status: 'Error', error })
    }
  }

  /** One that runs already ends with it: it is not a version that is broken. */
  #refuseBeyondStrict(entry: string, manifest: PluginManifest): void {
    const inAdvance = this.#inAdvance().map((name) => name.toLowerCase())
    const beyond = askedPermissions(manifest).filter((name) => !inAdvance.includes(name))
    if (!this.#deps.settings().strict_permissions || beyond.length === 0) return
    this.#live.delete(entry)
    this.#tools = undefined
    const what = beyond.join(', ')
    throw new RuntimeError('forbidden', `it asks for ${what}, which plugins.allowed_permissions does not have`)
  }

  /** The skills that it brings are there as long as it may run. */
  async #placeCompanions(plugin: Plugin): Promise<void> {
    const { row, source } = plugin
    const skills = wantsToRun(plugin, this.#inAdvance()) ? source.skills : new Map<string, Buffer>()
    await placeCompanions(row.name, skills, this.#deps.skillsDir())
  }

  #grantsOf(plugin: Plugin): Grants {
    return grantsOf(plugin, this.#inAdvance())
  }

  async #start(plugin: Plugin): Promise<void> {
    this.#refresh(plugin)
    if (!wantsToRun(plugin, this.#inAdvance())) return
    try {
      plugin.described = await this.#code.describe(plugin.source)
      plugin.error =
        plugin.missing.length > 0 ? `it needs ${plugin.missing.join(', ')}, which is not on the path` : null
    } catch (thrown) {
      plugin.described = null
      plugin.error = reasonOf(thrown)
      this.#deps.log.warn({ plugin: plugin.row.name, err: thrown }, 'a plugin does not start')
    }
    this.#tools = undefined
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
