import { expect, test } from 'vitest'
import { missingCapabilities } from '#kernel/plugins/input-capabilities.ts'

const deep = (levels: number): unknown => (levels === 0 ? 'word' : { inner: deep(levels - 1) })

test.each([
  [{ Path: 'notes' }, ['filesystem']],
  [{ file: 7 }, ['filesystem']],
  [{ dir: { name: 'notes' } }, ['filesystem']],
  [{ text: '/etc/passwd' }, ['filesystem']],
  [{ text: './a' }, ['filesystem']],
  [{ text: '~/a' }, ['filesystem']],
  [{ text: '..\\a' }, ['filesystem']],
  [{ text: '\\\\server\\share' }, ['filesystem']],
  [{ text: 'C:\\a' }, ['filesystem']],
  [{ text: 'a/b.txt' }, ['filesystem']],
  [{ list: [['a/b']] }, ['filesystem']],
  [{ url: 'example' }, ['network']],
  [{ host: 'localhost' }, ['network']],
  [{ text: 'HTTPS://example.org/a' }, ['network']],
  [{ text: 'wss://example.org' }, ['network']],
  [{ path: 'a', api: 'b' }, ['filesystem', 'network']],
  [{ model: 'openai/gpt' }, []],
  [{ fallback: ['a/b'] }, []],
  [{ model: '/etc/passwd' }, ['filesystem']],
  [{ text: 'this and/or that' }, []],
  [{ text: 'plain', count: 3, none: null }, []],
  [{ env: 'HOME' }, []],
  [deep(60), []],
  [deep(70), ['filesystem', 'network']],
])('%# %j needs %j', (input, needed) => {
  expect(missingCapabilities(input, [])).toEqual(needed)
  expect(missingCapabilities(input, ['filesystem', 'network'])).toEqual([])
})
