import { expect, test } from 'vitest'
import { pageOf } from '#kernel/compat/model-page.ts'
import { configuredModels, resolveTarget } from '#kernel/compat/model-target.ts'
import { openConfig } from '#kernel/config/live-config.ts'
import { tempHome } from '../support/temp-home.ts'

const providers = `
[models]
primary = "one/big"
fallbacks = ["two/team/big", "one/big"]
[providers.one]
url = "http://127.0.0.1:1"
model = "own"
models = ["small", "one/prefixed"]
[providers.two]
url = "http://127.0.0.1:2"
models = ["small"]
`

function configWith(agentId: string) {
  return openConfig(tempHome(`[agent]\nid = "${agentId}"\n${providers}`), {}).current()
}

test('the configured models are those of every place that names one, each once', () => {
  expect(configuredModels(configWith('ada'))).toEqual([
    'one/big',
    'two/team/big',
    'one/own',
    'one/small',
    'one/prefixed',
    'two/small',
  ])
})

test.each([
  ['auto', 'proxy', 'auto'],
  ['keel/auto', 'proxy', 'auto'],
  ['agent', 'agent', 'auto'],
  ['keel/agent', 'agent', 'auto'],
  ['keel/agent/ada', 'agent', 'auto'],
  ['ada', 'agent', 'auto'],
  ['one/never-heard-of', 'proxy', 'one/never-heard-of'],
  ['two/a/b/c', 'proxy', 'two/a/b/c'],
  ['own', 'proxy', 'one/own'],
  ['team/big', 'proxy', 'two/team/big'],
])('%s means %s of %s', (name, mode, model) => {
  expect(resolveTarget(configWith('ada'), name)).toEqual({ mode, model })
})

test.each([
  ['big', "The model 'big' may mean one/big or two/team/big: name one of them"],
  ['ig', "The model 'ig' does not exist or is not configured"],
  ['/big', "The model '/big' does not exist or is not configured"],
  ['one/', "The model 'one/' does not exist or is not configured"],
  ['constructor/x', "The model 'constructor/x' does not exist or is not configured"],
  ['keel/other', "The model 'keel/other' does not exist or is not configured"],
  ['keel/agent/eve', "The model 'keel/agent/eve' does not exist or is not configured"],
])('%s is not known', (name, message) => {
  const problem = { kind: 'not_found', message, details: { code: 'model_not_found', param: 'model' } }
  expect(() => resolveTarget(configWith('ada'), name)).toThrow(expect.objectContaining(problem))
})

test('a name of the router is one, also when the agent is called so', () => {
  expect(resolveTarget(configWith('keel'), 'keel')).toEqual({ mode: 'proxy', model: 'auto' })
  expect(resolveTarget(configWith('keel'), 'keel/agent/keel')).toEqual({ mode: 'agent', model: 'auto' })
})

const list = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id }))

test.each([
  [{ limit: 2 }, 'ab', true],
  [{ limit: 9 }, 'abcde', false],
  [{ limit: 2, after_id: 'b' }, 'cd', true],
  [{ limit: 2, after_id: 'c' }, 'de', false],
  [{ limit: 2, after_id: 'e' }, '', false],
  [{ limit: 2, before_id: 'd' }, 'bc', true],
  [{ limit: 3, before_id: 'd' }, 'abc', false],
  [{ limit: 9, after_id: 'a', before_id: 'd' }, 'bc', false],
  [{ limit: 9, after_id: 'd', before_id: 'b' }, '', false],
])('the page %j is %s', (query, ids, has_more) => {
  const page = pageOf(list, query)
  expect(page.data.map(({ id }) => id).join('')).toBe(ids)
  expect(page).toMatchObject({ has_more, first_id: ids.at(0) ?? null, last_id: ids.at(-1) ?? null })
})

test('a page next to what is not in the list is refused', () => {
  expect(() => pageOf(list, { limit: 2, after_id: 'x' })).toThrow('after_id: names no model of this list')
  expect(pageOf([], { limit: 2 })).toEqual({ data: [], has_more: false, first_id: null, last_id: null })
})
