import { isDeepStrictEqual } from 'node:util'
import { RuntimeError } from '#sdk/errors.ts'
import {
  deleteAt,
  dotted,
  isForbiddenKey,
  isTable,
  type KeyPath,
  leavesOf,
  mergeTables,
  setAt,
  startsWith,
  type Table,
  valueAt,
} from './key-path.ts'
import { type Layers, mergedFiles } from './layers.ts'
import { placeholder } from './redact.ts'
import { defaultConfig, sectionNames } from './schema.ts'

/** Deeper tables replace instead of merging. */
const maxMergeDepth = 10
/** Deeper values are refused. */
const maxDepth = 32

/** What a patch asks for, without what means "unchanged" or concerns no section. */
export interface CleanPatch {
  values: Table
  ignoredKeys: string[]
  /** Providers' keys, which belong in the sealed store; null removes one. */
  providerKeys: Map<string, string | null>
}

/** Throws `invalid` for a patch that is no object or too deep, and for a provider's key that is no text. */
export function cleanPatch(patch: unknown): CleanPatch {
  if (!isTable(patch)) throw new RuntimeError('invalid', 'invalid config: expected an object')
  const ignoredKeys: string[] = []
  const values: Table = {}
  for (const [name, value] of Object.entries(patch)) {
    if ((sectionNames as string[]).includes(name)) values[name] = clean(value, [name], ignoredKeys)
    else if (!name.startsWith('_') || isForbiddenKey(name)) ignoredKeys.push(name)
  }
  return { values, ignoredKeys, providerKeys: takeProviderKeys(values) }
}

function clean(value: unknown, path: KeyPath, ignoredKeys: string[]): unknown {
  if (path.length > maxDepth)
    throw new RuntimeError('invalid', `invalid config: ${dotted(path.slice(0, 3))}: nested too deeply`)
  if (Array.isArray(value)) return value.map((entry) => clean(entry, [...path, ''], ignoredKeys))
  if (!isTable(value)) return value
  const kept: Table = {}
  for (const [key, inner] of Object.entries(value)) {
    if (isForbiddenKey(key)) ignoredKeys.push(dotted([...path, key]))
    else if (!key.startsWith('_')) kept[key] = clean(inner, [...path, key], ignoredKeys)
  }
  return kept
}

function takeProviderKeys(values: Table): Map<string, string | null> {
  const keys = new Map<string, string | null>()
  if (!isTable(values.providers)) return keys
  for (const [name, entry] of Object.entries(values.providers)) {
    if (!isTable(entry) || !('api_key' in entry)) continue
    const { api_key: key, ...rest } = entry
    // A null also clears the key that a file may hold.
    values.providers[name] = key === null ? entry : rest
    if (key === placeholder) continue
    if (key !== null && (typeof key !== 'string' || !/^[\x21-\x7e]+$/.test(key.trim()))) {
      throw new RuntimeError(
        'invalid',
        `invalid config: providers.${name}.api_key: expected text without spaces or control characters`,
      )
    }
    keys.set(name, key === null ? null : key.trim())
  }
  return keys
}

export interface PatchedOverrides {
  overrides: Table
  removed: KeyPath[]
  /** What the environment sets to something else, by dotted path: kept, but without effect for now. */
  shadowed: string[]
}

/**
 * The overrides after the patch. `shown` is what the API last showed: a value that equals it is an echo and changes
 * nothing, even if the user's file has changed since.
 */
export function applyPatch(values: Table, layers: Layers, shown: Table): PatchedOverrides {
  const overrides = structuredClone(layers.overrides)
  let removed = [...layers.removed]
  const shadowed: string[] = []
  const onDisk = mergedFiles(layers)
  const beneath = mergeTables(structuredClone(defaultConfig) as Table, withoutRemoved(layers.file, removed))

  for (const [path, value] of leavesOf(values, maxMergeDepth)) {
    if (path.length === 0 || value === placeholder || isEcho(value, valueAt(shown, path))) continue
    if (holdsPlaceholder(value)) {
      throw new RuntimeError(
        'invalid',
        `invalid config: ${dotted(path)}: holds "${placeholder}", which stands for a secret that is not shown`,
      )
    }
    const fromEnv = valueAt(layers.env.values, path)
    if (fromEnv !== undefined && !isDeepStrictEqual(fromEnv, value)) shadowed.push(dotted(path))
    if (value === null) {
      deleteAt(overrides, path)
      if (valueAt(withoutRemoved(layers.file, removed), path) !== undefined) removed.push([...path])
    } else if (!isDeepStrictEqual(valueAt(onDisk, path), value)) {
      deleteAt(overrides, path)
      removed = removed.filter((gone) => !startsWith(gone, path))
      if (isTable(value) || !isDeepStrictEqual(valueAt(beneath, path), value))
        setAt(overrides, path, withoutNulls(value))
    }
  }
  return { overrides, removed, shadowed }
}

function isEcho(value: unknown, shown: unknown): boolean {
  if (value === null) return shown === null
  if (isTable(value) && Object.keys(value).length === 0) return isTable(shown)
  return isDeepStrictEqual(value, shown)
}

function withoutRemoved(file: Table, removed: readonly KeyPath[]): Table {
  const kept = structuredClone(file)
  for (const path of removed) deleteAt(kept, path)
  return kept
}

function holdsPlaceholder(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(holdsPlaceholder)
  return isTable(value) ? Object.values(value).some(holdsPlaceholder) : value === placeholder
}

/** TOML has no null: an absent key says the same. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (!isTable(value)) return value
  const kept = Object.entries(value).filter(([, inner]) => inner !== null)
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutNulls(inner)]))
}
