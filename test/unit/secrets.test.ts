import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { ProviderConfig } from '#kernel/config/schema.ts'
import { provider } from '#kernel/config/sections/providers.ts'
import { openProviderKeys, sealedKeyName } from '#kernel/secrets/provider-keys.ts'
import { openSealedStore, type SealedRows } from '#kernel/secrets/sealed-store.ts'

function memoryRows(): SealedRows & { map: Map<string, Buffer> } {
  const map = new Map<string, Buffer>()
  return {
    map,
    find: (name) => map.get(name),
    save: (name, sealed) => void map.set(name, sealed),
    delete: (name) => map.delete(name),
    names: () => [...map.keys()],
  }
}

test('a secret comes back, and only its sealed form is kept', () => {
  const rows = memoryRows()
  const store = openSealedStore(rows, randomBytes(32))
  store.put('openai_api_key', 'sk-ä secret')
  expect(store.get('openai_api_key')).toBe('sk-ä secret')
  expect(store.names()).toEqual(['openai_api_key'])
  expect(rows.map.get('openai_api_key')?.includes('secret')).toBe(false)
  const first = rows.map.get('openai_api_key')
  store.put('openai_api_key', 'sk-ä secret')
  expect(rows.map.get('openai_api_key')).not.toEqual(first)
  expect(store.get('absent')).toBeUndefined()
  expect(store.delete('openai_api_key')).toBe(true)
  expect(store.delete('openai_api_key')).toBe(false)
})

test('another key, a changed byte, another name and a cut row are errors, never an empty store', () => {
  const rows = memoryRows()
  const key = randomBytes(32)
  openSealedStore(rows, key).put('a', 'value')
  const sealed = rows.map.get('a') as Buffer
  const message = /The stored secret \w+ can not be opened/

  expect(() => openSealedStore(rows, randomBytes(32)).get('a')).toThrow(message)
  rows.map.set('b', sealed)
  expect(() => openSealedStore(rows, key).get('b')).toThrow(message)
  const changed = Buffer.from(sealed)
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
  rows.map.set('a', changed)
  expect(() => openSealedStore(rows, key).get('a')).toThrow(message)
  rows.map.set('a', sealed.subarray(0, 10))
  expect(() => openSealedStore(rows, key).get('a')).toThrow('has an unknown form')
  rows.map.set('a', sealed)
  expect(openSealedStore(rows, key).get('a')).toBe('value')
})

test('names and sizes are bounded', () => {
  const store = openSealedStore(memoryRows(), randomBytes(32))
  expect(() => store.put('', 'x')).toThrow('1 to 200 characters')
  expect(() => store.put('n'.repeat(201), 'x')).toThrow('1 to 200 characters')
  expect(() => store.put('a', 'x'.repeat(65_537))).toThrow('at most 65536 bytes')
})

test.each<[string, Partial<ProviderConfig>, Record<string, string>, Record<string, string>, unknown]>([
  [
    'a reference first',
    { api_key_ref: 'keystore:shared', api_key_env: 'E' },
    { shared: 'R', p_api_key: 'S' },
    { E: 'V' },
    ['R', 'keystore', 'configured'],
  ],
  [
    'then the sealed key',
    { api_key_env: 'E', api_key: 'F' },
    { p_api_key: 'S' },
    { E: 'V' },
    ['S', 'keystore', 'configured'],
  ],
  ['then the environment', { api_key_env: 'E', api_key: 'F' }, {}, { E: ' V ' }, ['V', 'env', 'configured']],
  ['then the file', { api_key_env: 'E', api_key: 'F' }, {}, { E: ' ' }, ['F', 'file', 'configured']],
  ['else it is missing', { api_key_env: 'E', api_key_ref: 'shared' }, {}, {}, [null, 'none', 'missing']],
  ['a local one needs none', { is_local: true, api_key_env: 'E' }, {}, {}, [null, 'local', 'not_required']],
  [
    'a local one gets the key it was given',
    { is_local: true },
    { p_api_key: 'S' },
    {},
    ['S', 'keystore', 'configured'],
  ],
])('%s', (_, settings, sealed, env, expected) => {
  const secrets = openSealedStore(memoryRows(), randomBytes(32))
  for (const [name, value] of Object.entries(sealed)) secrets.put(name, value)
  const { key, source, status } = openProviderKeys(secrets, env).resolve(
    'p',
    provider.parse({ url: 'https://x', ...settings }),
  )
  expect([key, source, status]).toEqual(expected)
  expect(sealedKeyName('p')).toBe('p_api_key')
})

test('a sealed key that can not be opened counts as missing and is told', () => {
  const rows = memoryRows()
  openSealedStore(rows, randomBytes(32)).put('p_api_key', 'value')
  const told: string[] = []
  const keys = openProviderKeys(openSealedStore(rows, randomBytes(32)), {}, (error) => void told.push(error.message))
  expect(keys.resolve('p', provider.parse({ url: 'https://x' }))).toEqual({
    key: null,
    source: 'keystore',
    status: 'missing',
  })
  expect(told).toEqual([expect.stringContaining('The stored secret p_api_key can not be opened')])
})
