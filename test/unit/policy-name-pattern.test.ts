import { expect, test } from 'vitest'
import { isNamed } from '#kernel/policy/name-pattern.ts'

test.each([
  ['read_file', 'read_file', true],
  ['read_file', 'read_*', true],
  ['read_file', '*_file', true],
  ['read_file', 'r*d*e', true],
  ['read_file', '*', true],
  ['read_file', 'read', false],
  ['read_file', 'write_*', false],
  ['aba', 'ab*ba', false],
  ['mcp__files__read', 'mcp__*__read', true],
])('%s and %s: %s', (name, pattern, matches) => {
  expect(isNamed(name, [pattern])).toBe(matches)
})

test('a pattern of many stars is answered at once', () => {
  expect(isNamed('a'.repeat(10_000), [`${'*a'.repeat(50)}b`])).toBe(false)
})
