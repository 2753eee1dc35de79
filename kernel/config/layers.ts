import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { parse, TomlError } from 'smol-toml'
import type { Home } from '../home.ts'
import { invalidConfig } from './issue-text.ts'
import {
  deleteAt,
  dotted,
  isForbiddenKey,
  isTable,
  type KeyPath,
  mergeTables,
  setAt,
  type Table,
  valueAt,
} from './key-path.ts'

/** What stands on disk and in the environment, from the weakest to the strongest; defaults lie beneath. */
export interface Layers {
  file: Table
  overrides: Table
  /** What the API cleared although the user's file sets it. */
  removed: readonly KeyPath[]
  env: EnvLayer
  warnings: readonly string[]
  /** When keel.toml was last written, in milliseconds since the epoch; undefined without the file. */
  fileMtimeMs: number | undefined
}

export interface EnvLayer {
  values: Table
  /** The variables' own text by dotted path, for keys that want text where a number was read. */
  texts: ReadonlyMap<string, string>
}

/** Under this key overrides.toml lists what was cleared, each as a list of keys. */
export const removedKey = '_removed'

const maxFileBytes = 1_048_576

/** Throws `invalid` with the file's name and line when one can not be read as TOML. */
export function readFiles(home: Home): Omit<Layers, 'env'> {
  const warnings: string[] = []
  const file = readToml(home.config, warnings)
  const { [removedKey]: removed, ...overrides } = readToml(home.overrides, warnings).table
  return {
    file: modernised(file.table, basename(home.config), warnings),
    overrides: modernised(overrides, basename(home.overrides), warnings),
    removed: Array.isArray(removed)
      ? removed.filter((path) => Array.isArray(path)).map((path) => path.map(String))
      : [],
    warnings,
    fileMtimeMs: file.mtimeMs,
  }
}

/** The files' values as one: the user's, without what was cleared, under the overrides. */
export function mergedFiles({ file, overrides, removed }: Pick<Layers, 'file' | 'overrides' | 'removed'>): Table {
  const kept = structuredClone(file)
  for (const path of removed) deleteAt(kept, path)
  return mergeTables(kept, overrides)
}

export type ConfigSource = 'default' | 'file' | 'override' | 'environment'

/** Which layer a value comes from; for a section, the strongest layer that has a say in it. */
export function sourceOf(path: KeyPath, { file, overrides, removed, env }: Layers): ConfigSource {
  if (valueAt(env.values, path) !== undefined) return 'environment'
  if (valueAt(overrides, path) !== undefined) return 'override'
  const isRemoved = removed.some((gone) => gone.every((key, i) => path[i] === key))
  return valueAt(file, path) !== undefined && !isRemoved ? 'file' : 'default'
}

function readToml(path: string, warnings: string[]): { table: Table; mtimeMs: number | undefined } {
  const name = basename(path)
  try {
    const { size, mtimeMs } = statSync(path)
    if (size > maxFileBytes) throw invalidConfig([`${name} is larger than ${maxFileBytes} bytes`])
    return { table: withoutForbidden(parse(readFileSync(path, 'utf8')), name, warnings), mtimeMs }
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return { table: {}, mtimeMs: undefined }
    // The parser's message also quotes the line, which may hold a key.
    if (thrown instanceof TomlError) {
      const reason = thrown.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '')
      throw invalidConfig([`${name}, line ${thrown.line}, column ${thrown.column}: ${reason}`])
    }
    throw thrown
  }
}

/** A copy without keys such as `__proto__`. */
function withoutForbidden(table: Table, name: string, warnings: string[], path: KeyPath = []): Table {
  const kept: Table = {}
  for (const [key, value] of Object.entries(table)) {
    if (isForbiddenKey(key)) warnings.push(`${name}: ${dotted([...path, key])}: this key is never used, ignored`)
    else kept[key] = isTable(value) ? withoutForbidden(value, name, warnings, [...path, key]) : value
  }
  return kept
}

/** Settings that were once written in another way. */
function modernised(table: Table, name: string, warnings: string[]): Table {
  const host = valueAt(table, ['server', 'host'])
  if (host !== undefined) {
    warnings.push(`${name}: server.host: this key is now server.bind`)
    if (valueAt(table, ['server', 'bind']) === undefined) setAt(table, ['server', 'bind'], host)
    deleteAt(table, ['server', 'host'])
  }
  if (valueAt(table, ['models', 'routing', 'mode']) === 'heuristic') {
    warnings.push(`${name}: models.routing.mode: "heuristic" is now "metascore"`)
    setAt(table, ['models', 'routing', 'mode'], 'metascore')
  }
  return table
}
