import { RuntimeError } from '#sdk/errors.ts'
import type { HostFunction } from './host-function.ts'

/** What one plugin may keep. */
const maxEntries = 1_000
const maxKeyLength = 256
const maxValueBytes = 65_536
const maxTotalBytes = 4 * 1_048_576
const maxListed = 1_000

/** Where the values of plugins are kept, as JSON. */
export interface KeptValues {
  get(plugin: string, key: string): unknown
  usage(plugin: string, exceptKey: string): { entries: number; bytes: number }
  set(plugin: string, key: string, json: string): void
  delete(plugin: string, key: string): boolean
  keys(plugin: string, prefix: string, limit: number): string[]
}

/** What a plugin keeps between its calls; nobody else reads it. */
export function kvOn(values: KeptValues): Record<string, HostFunction> {
  return {
    'kv.get': ([key], { plugin }) => values.get(plugin, keyOf(key)) ?? null,
    'kv.set': ([given, value], session) => {
      const key = keyOf(given)
      const json = JSON.stringify(value ?? null)
      if (Buffer.byteLength(json) > maxValueBytes)
        throw new RuntimeError('too_large', `kv.set: the value has more than ${maxValueBytes} bytes`)
      session.effects = true
      const { entries, bytes } = values.usage(session.plugin, key)
      if (entries >= maxEntries) throw new RuntimeError('too_large', `kv.set: ${maxEntries} entries are kept already`)
      if (bytes + Buffer.byteLength(json) > maxTotalBytes)
        throw new RuntimeError('too_large', `kv.set: more than ${maxTotalBytes} bytes would be kept`)
      values.set(session.plugin, key, json)
      return null
    },
    'kv.delete': ([key], session) => {
      session.effects = true
      return values.delete(session.plugin, keyOf(key))
    },
    'kv.list': ([prefix = ''], { plugin }) => values.keys(plugin, prefixOf(prefix), maxListed),
  }
}

function keyOf(key: unknown): string {
  if (typeof key !== 'string' || key === '' || key.length > maxKeyLength)
    throw new RuntimeError('invalid', `key: expected a text of 1 to ${maxKeyLength} characters`)
  return key
}

function prefixOf(prefix: unknown): string {
  if (typeof prefix !== 'string' || prefix.length > maxKeyLength)
    throw new RuntimeError('invalid', `prefix: expected a text of at most ${maxKeyLength} characters`)
  return prefix
}
