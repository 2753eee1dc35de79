import { expect, test } from 'vitest'
import type { Tool, ToolSource } from '#kernel/tools/tool.ts'
import { openToolbox } from '#kernel/tools/toolbox.ts'

function toolOf(name: string, source: ToolSource): Tool {
  return {
    name,
    description: '',
    parameters: {},
    risk: 'Safe',
    idempotent: true,
    paths: [],
    timeoutMs: 1,
    version: '1',
    source,
    parse: (raw) => raw,
    run: async () => ({ status: 'success', output: '' }),
  }
}

const own = (name: string) => toolOf(name, { kind: 'builtin' })
const of = (plugin: string, tool: string) => toolOf(tool, { kind: 'plugin', plugin, tool })

function names(...tools: Tool[]) {
  return openToolbox([() => tools])
    .list()
    .map(({ name }) => name)
}

test('a name that one plugin has stays', () => {
  expect(names(own('read_file'), of('a', 'say'))).toEqual(['read_file', 'say'])
})

test("Keel's own keep theirs; guests that would share one are told apart", () => {
  expect(names(own('read_file'), of('a', 'read_file'))).toEqual(['read_file', 'a__read_file'])
  expect(names(of('a', 'say'), of('b', 'say'))).toEqual(['a__say', 'b__say'])
})

test("no plugin can be called as another's tool would be", () => {
  expect(names(of('a', 'say'), of('aa', 'a__say'), of('b', 'say'))).toEqual(['a__say', 'aa__a__say', 'b__say'])
  expect(names(of('b', 'mcp__files__read'))).toEqual(['b__mcp__files__read'])
})

test('a name that models do not take is cut, and stays one of its own', () => {
  const [plugin, tool] = ['p'.repeat(64), 't'.repeat(60)]
  const [first = '', second = ''] = names(of(plugin, `${tool}__1`), of(plugin, `${tool}__2`))
  expect(first).toMatch(/^[A-Za-z0-9_-]{64}$/)
  expect(first).not.toBe(second)
})

test('a plugin’s tool is found by the name that it has there', () => {
  const toolbox = openToolbox([() => [own('say'), of('a', 'say')]])
  expect(toolbox.findOf('a', 'say')?.name).toBe('a__say')
  expect(toolbox.find('say')?.source).toEqual({ kind: 'builtin' })
  expect(toolbox.findOf('b', 'say')).toBeUndefined()
})
