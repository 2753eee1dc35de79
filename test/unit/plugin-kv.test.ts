import { expect, test } from 'vitest'
import type { HostSession } from '#kernel/plugins/host/host-function.ts'
import { kvFunctions } from '#kernel/plugins/host/stored-kv.ts'
import { deletePluginRow, savePlugin } from '#kernel/store/plugins.ts'
import { temporaryStore } from '../support/temp-store.ts'

function scene() {
  const { store } = temporaryStore()
  const functions = kvFunctions(store)
  const open = (plugin: string) => {
    savePlugin(store.write, { name: plugin, version: '1' })
    const session: HostSession = {
      plugin,
      grants: { hosts: [], secrets: [] },
      allowed: new Set(),
      signal: new AbortController().signal,
      left: 0,
      used: new Map(),
      effects: false,
    }
    const call =
      (name: string) =>
      (...args: unknown[]) =>
        functions[`kv.${name}`]?.(args, session)
    return { session, get: call('get'), set: call('set'), delete: call('delete'), list: call('list') }
  }
  return { store, open }
}

test('what is set is got back as it was, and nothing is null', () => {
  const kv = scene().open('a')
  expect(kv.get('x')).toBeNull()
  for (const value of [1, 'text', null, [1, { deep: true }], { __proto__x: 1 }]) {
    kv.set('x', value)
    expect(kv.get('x')).toEqual(value)
  }
  expect(kv.delete('x')).toBe(true)
  expect(kv.delete('x')).toBe(false)
})

test('each plugin has its own, and what it kept goes with it', () => {
  const { store, open } = scene()
  const [a, b] = [open('a'), open('b')]
  a.set('x', 'a')
  b.set('x', 'b')
  expect([a.get('x'), b.get('x')]).toEqual(['a', 'b'])
  deletePluginRow(store.write, 'a')
  expect([open('a').get('x'), b.get('x')]).toEqual([null, 'b'])
})

test('keys are listed by their beginning, in order, taken literally', () => {
  const kv = scene().open('a')
  for (const key of ['note/2', 'note/1', 'n%te', 'other']) kv.set(key, 1)
  expect(kv.list('note/')).toEqual(['note/1', 'note/2'])
  expect(kv.list('n%')).toEqual(['n%te'])
  expect(kv.list()).toEqual(['n%te', 'note/1', 'note/2', 'other'])
})

test('reading changes nothing, writing does', () => {
  const kv = scene().open('a')
  kv.get('x')
  kv.list()
  expect(kv.session.effects).toBe(false)
  kv.set('x', 1)
  expect(kv.session.effects).toBe(true)
})

test.each([[''], ['x'.repeat(257)], [7], [undefined]])('the key %j is none', (key) => {
  const kv = scene().open('a')
  for (const use of [kv.get, kv.set, kv.delete]) expect(() => use(key)).toThrow('key: expected a text')
})

test('a value has at most 64 KiB, counted in bytes', () => {
  const kv = scene().open('a')
  kv.set('x', 'a'.repeat(65_534))
  expect(() => kv.set('x', 'a'.repeat(65_535))).toThrow('more than 65536 bytes')
  expect(() => kv.set('x', 'ü'.repeat(40_000))).toThrow('more than 65536 bytes')
})

test('1,000 entries are kept, and those may still be changed', () => {
  const kv = scene().open('a')
  for (let n = 0; n < 1_000; n++) kv.set(`k${n}`, n)
  expect(() => kv.set('one more', 1)).toThrow('1000 entries are kept already')
  kv.set('k7', 'changed')
  expect(kv.get('k7')).toBe('changed')
  kv.delete('k8')
  kv.set('one more', 1)
})

test('4 MiB are kept together', () => {
  const kv = scene().open('a')
  const value = 'a'.repeat(65_000)
  for (let n = 0; n < 64; n++) kv.set(`k${n}`, value)
  expect(() => kv.set('too much', value)).toThrow('more than 4194304 bytes would be kept')
  kv.set('k0', 'small')
  kv.set('fits', value)
})
