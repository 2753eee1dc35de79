import { isDeepStrictEqual } from 'node:util'
import type { ConfigStatus, ConfigUpdate } from '#sdk/contracts/config.ts'
import { RuntimeError, toRuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import type { Home } from '../home.ts'
import { openProviderKeys, sealedKeyName } from '../secrets/provider-keys.ts'
import type { SealedStore } from '../secrets/sealed-store.ts'
import { capabilitiesOf, deferredPaths, isDeferred } from './capabilities.ts'
import { type Effective, effectiveConfig } from './effective.ts'
import { readEnvLayer } from './env-layer.ts'
import { deleteAt, dotted, isTable, leavesOf, parseDotted, setAt, startsWith, type Table, valueAt } from './key-path.ts'
import { type ConfigSource, type Layers, mergedFiles, readFiles, sourceOf } from './layers.ts'
import { overridesText } from './overrides-file.ts'
import { applyPatch, type CleanPatch, cleanPatch, type PatchedOverrides } from './patch.ts'
import { presets } from './presets.ts'
import { redactedConfig } from './redact.ts'
import type { Config } from './schema.ts'
import { changedKeys, writeChange } from './write-change.ts'

/** Told after a change: dotted paths of what changed, and which of them wait for the next start. */
export type ConfigListener = (changed: string[], deferred: string[]) => void | Promise<void>

export interface LiveConfig {
  /** What runs: deferred values are those of the start. */
  current(): Config
  /** What the next start would use, without its secrets: the body of `GET /api/config`. */
  redacted(): Table
  warnings(): string[]
  /** Where the value at a dotted path comes from. */
  origin(path: string): ConfigSource
  /** A provider that is configured or bundled. */
  knowsProvider(name: string): boolean
  /** Applies a partial configuration and keeps it. Throws `invalid`; then nothing has changed. */
  put(patch: unknown): Promise<ConfigUpdate>
  /** Reads the files and the stored keys again and tells the listeners, also when no value has changed. */
  reload(): Promise<void>
  onChange(listener: ConfigListener): () => void
  status(): ConfigStatus
  capabilities(): ReturnType<typeof capabilitiesOf>
  /** From here on providers' keys are sealed in this store; the bundled providers that have one there join. */
  useSecrets(secrets: SealedStore): void
}

/** Reads the home's configuration. Throws `invalid` with `exit_code` 1 and a sentence that names the key. */
export function openConfig(home: Home, env: NodeJS.ProcessEnv = process.env): LiveConfig {
  try {
    return new LayeredConfig(home, env)
  } catch (thrown) {
    if (!(thrown instanceof RuntimeError)) throw thrown
    throw new RuntimeError(thrown.kind, thrown.message, { ...thrown.details, exit_code: 1 }, { cause: thrown })
  }
}

class LayeredConfig implements LiveConfig {
  readonly #home: Home
  readonly #env: NodeJS.ProcessEnv
  readonly #listeners = new Set<ConfigListener>()
  #secrets: SealedStore | undefined
  #layers: Layers
  #stored: Effective
  #running: Config
  #writing: Promise<unknown> = Promise.resolve()
  #lastAttempt: string | null = null
  #lastSuccess: string | null = null
  #lastError: string | null = null
  #lastBackup: string | null = null

  constructor(home: Home, env: NodeJS.ProcessEnv) {
    this.#home = home
    this.#env = env
    this.#layers = this.#readLayers()
    this.#stored = this.#effective(this.#layers)
    this.#running = this.#stored.config
  }

  current(): Config {
    return this.#running
  }

  redacted(): Table {
    const keys = openProviderKeys(this.#secrets ?? { get: () => undefined }, this.#env)
    return redactedConfig(this.#stored.config, (name, provider) => keys.resolve(name, provider))
  }

  warnings(): string[] {
    return [...this.#stored.warnings]
  }

  origin(path: string): ConfigSource {
    return sourceOf(parseDotted(path) ?? [], this.#layers)
  }

  knowsProvider(name: string): boolean {
    return Object.hasOwn(this.#stored.config.providers, name) || Object.hasOwn(presets, name)
  }

  onChange(listener: ConfigListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  useSecrets(secrets: SealedStore): void {
    this.#secrets = secrets
    this.#adopt(this.#layers, this.#effective(this.#layers))
  }

  capabilities() {
    return capabilitiesOf(this.#running)
  }

  put(patch: unknown): Promise<ConfigUpdate> {
    return this.#exclusively(() => this.#put(patch))
  }

  reload(): Promise<void> {
    return this.#exclusively(async () => {
      const layers = this.#readLayers()
      const changed = this.#adopt(layers, this.#effective(layers))
      await this.#announce(changed)
    })
  }

  status(): ConfigStatus {
    const deferred = differences(this.#running, this.#stored.config)
    const sources: ConfigStatus['sources'] = {}
    for (const [path] of leavesOf(this.#stored.config)) {
      const source = sourceOf(path, this.#layers)
      if (source !== 'default') sources[dotted(path)] = source
    }
    const { drift, mtimeMs } = this.#compareWithDisk()
    return {
      config_path: this.#home.config,
      last_attempt_at: this.#lastAttempt,
      last_success_at: this.#lastSuccess,
      last_error: this.#lastError,
      last_backup_path: this.#lastBackup,
      deferred_apply: deferred,
      file_mtime: mtimeMs === undefined ? null : timestamp(mtimeMs),
      drift,
      pending_restart: deferred.length > 0,
      sources,
    }
  }

  async #put(patch: unknown): Promise<ConfigUpdate> {
    this.#lastAttempt = timestamp()
    this.#lastError = null
    try {
      const result = await this.#applyPatch(cleanPatch(patch))
      this.#lastSuccess = timestamp()
      return result
    } catch (thrown) {
      const error = toRuntimeError(thrown)
      this.#lastError = error.message
      throw error
    }
  }

  async #applyPatch({ values, ignoredKeys, providerKeys }: CleanPatch): Promise<ConfigUpdate> {
    const disk = this.#readLayers()
    const patched = applyPatch(values, disk, this.redacted())
    const newKeys = changedKeys(providerKeys, this.#secrets)
    const layers = withPatch(disk, patched)
    const next = this.#effective(layers, new Set([...newKeys.keys()].filter((name) => newKeys.get(name) !== null)))
    const ignored = this.#dropUnknown(values, next, layers)

    const before = overridesText(disk.overrides, disk.removed)
    const after = overridesText(layers.overrides, layers.removed)
    const unchanged = before === after && newKeys.size === 0 && isDeepStrictEqual(next.config, this.#stored.config)
    const ignored_keys = [...ignoredKeys, ...ignored]
    const shadowed = patched.shadowed
    if (unchanged) {
      const message = 'no effective changes detected'
      return {
        updated: false,
        persisted: false,
        message,
        backup_path: null,
        deferred_apply: [],
        ignored_keys,
        shadowed,
      }
    }

    const written = await writeChange(this.#home, before === after ? undefined : after, newKeys, this.#secrets)
    this.#lastBackup = written.backup ?? this.#lastBackup
    const old = { layers: this.#layers, stored: this.#stored }
    const changed = this.#adopt(layers, next)
    for (const name of newKeys.keys()) changed.push(`providers.${name}.api_key`)
    try {
      await this.#announce(changed)
    } catch (thrown) {
      await written.undo()
      this.#adopt(old.layers, old.stored)
      await this.#announce(changed)
      throw thrown
    }
    const deferred_apply = changed.filter((path) => isDeferred(parseDotted(path) ?? []))
    const message = updateMessage(deferred_apply, shadowed)
    return {
      updated: true,
      persisted: true,
      message,
      backup_path: written.backup ?? null,
      deferred_apply,
      ignored_keys,
      shadowed,
    }
  }

  /** Keys of the patch that no section knows are not kept. */
  #dropUnknown(values: Table, next: Effective, layers: Layers): string[] {
    const fromPatch = next.unknown.filter((path) => valueAt(values, path) !== undefined)
    for (const path of fromPatch) deleteAt(layers.overrides, path)
    return fromPatch.map(dotted)
  }

  /** Makes `stored` what runs, but for what waits for the next start. Returns the paths that changed. */
  #adopt(layers: Layers, stored: Effective): string[] {
    const changed = differences(this.#stored.config, stored.config)
    const running = structuredClone(stored.config)
    for (const path of deferredPaths) setAt(running as Table, path, valueAt(this.#running, path))
    this.#layers = layers
    this.#stored = stored
    this.#running = running
    return changed
  }

  async #announce(changed: string[]): Promise<void> {
    const deferred = changed.filter((path) => isDeferred(parseDotted(path) ?? []))
    for (const listener of this.#listeners) await listener(changed, deferred)
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#writing.then(work, work)
    this.#writing = done.catch(() => {})
    return done
  }

  #readLayers(): Layers {
    const files = readFiles(this.#home)
    const { providers } = mergedFiles(files)
    const warnings = [...files.warnings]
    const env = readEnvLayer(this.#env, isTable(providers) ? Object.keys(providers) : [], warnings)
    return { ...files, env, warnings }
  }

  #effective(layers: Layers, withKey: ReadonlySet<string> = new Set()): Effective {
    const sealed = new Set(this.#secrets?.names())
    return effectiveConfig(layers, this.#home, (name) => {
      const variable = presets[name]?.api_key_env
      return withKey.has(name) || sealed.has(sealedKeyName(name)) || Boolean(variable && this.#env[variable])
    })
  }

  #compareWithDisk(): { drift: boolean; mtimeMs: number | undefined } {
    try {
      const layers = this.#readLayers()
      return {
        drift: !isDeepStrictEqual(this.#effective(layers).config, this.#stored.config),
        mtimeMs: layers.fileMtimeMs,
      }
    } catch (thrown) {
      // A file that is being edited may be no TOML for a while; that too is a difference.
      if (thrown instanceof RuntimeError) return { drift: true, mtimeMs: this.#layers.fileMtimeMs }
      throw thrown
    }
  }
}

function withPatch(disk: Layers, { overrides, removed }: PatchedOverrides): Layers {
  return { ...disk, overrides, removed }
}

function updateMessage(deferred: readonly string[], shadowed: readonly string[]): string {
  let message = 'configuration updated and persisted'
  if (deferred.length > 0)
    message += `; ${deferred.join(', ')} ${deferred.length === 1 ? 'takes' : 'take'} effect at the next start`
  if (shadowed.length > 0) message += `; the environment overrides ${shadowed.join(', ')}`
  return message
}

/** Dotted paths at which the two differ; a table that only one of them has counts as its values. */
function differences(left: Config, right: Config): string[] {
  const paths = new Map<string, readonly string[]>()
  for (const side of [left, right]) for (const [path] of leavesOf(side)) paths.set(dotted(path), path)
  const changed = [...paths].filter(([, path]) => !isDeepStrictEqual(valueAt(left, path), valueAt(right, path)))
  // An emptied table and the values that it held are one change.
  return changed
    .filter(([, path]) => !changed.some(([, other]) => other.length > path.length && startsWith(other, path)))
    .map(([text]) => text)
}
