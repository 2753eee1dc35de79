import { expect, test } from 'vitest'
import { globPattern } from '../../services/tools/glob-pattern.ts'

test.each([
  ['*.ts', 'a.ts', true],
  ['*.ts', 'src/a.ts', false],
  ['**/*.ts', 'a.ts', true],
  ['**/*.ts', 'src/deep/a.ts', true],
  ['src/**', 'src/deep/a.ts', true],
  ['src/**/a.ts', 'src/a.ts', true],
  ['src/**/b/*.ts', 'src/b/c/b/x.ts', true],
  ['src/**/b/*.ts', 'src/b/c/x.ts', false],
  ['./src/?.ts', 'src/a.ts', true],
  ['src/?.ts', 'src/ab.ts', false],
  ['[a-c]x', 'bx', true],
  ['[a-c]x', 'dx', false],
  ['[!a-c]x', 'dx', true],
  ['[!a-c]x', 'ax', false],
  ['a[', 'a[', true],
  ['*.{ts,{js,mjs}}', 'a.mjs', true],
  ['*.{ts,js}', 'a.css', false],
  ['a+(b).txt', 'a+(b).txt', true],
  ['ab*ba*c', 'abxbabaxc', true],
  ['*', '.hidden', true],
  ['☃*', '☃🎉', true],
])('%s against %s: %s', (pattern, path, expected) => {
  expect(globPattern(pattern)(path)).toBe(expected)
})

test('patterns made to take for ever do not', () => {
  const started = performance.now()
  expect(globPattern(`${'*a'.repeat(200)}b`)('a'.repeat(255))).toBe(false)
  expect(globPattern(`${'**/a/'.repeat(90)}b`)(Array(500).fill('a').join('/'))).toBe(false)
  expect(() => globPattern('{a,b}'.repeat(60))).toThrow(/64 alternatives/)
  expect(() => globPattern(`{${'a,'.repeat(200)}}`)).toThrow(/64 alternatives/)
  expect(performance.now() - started).toBeLessThan(2_000)
})
