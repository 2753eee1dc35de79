import { type FakeAnswer, type FakeRequest, openPlugin, type TestedPlugin } from '@keel/sdk/testing'
import { afterAll, beforeEach, expect, test } from 'vitest'

let plugin: TestedPlugin
let asked: FakeRequest[] = []
let answers: Record<string, FakeAnswer> = {}

const release = (tag_name: string, more = {}) => ({
  tag_name,
  name: null,
  html_url: `https://github.com/x/${tag_name}`,
  published_at: '2026-01-01T00:00:00Z',
  prerelease: false,
  draft: false,
  body: 'Better.',
  ...more,
})

beforeEach(async () => {
  await plugin?.close()
  asked = []
  answers = { 'nodejs/node': { body: [release('v2-rc1', { prerelease: true }), release('v1')] } }
  plugin = await openPlugin(import.meta.dirname, {
    secrets: { GITHUB_TOKEN: 'token-of-the-test' },
    http(request) {
      asked.push(request)
      const project = /repos\/([^/]+\/[^/]+)\/releases/.exec(request.url)?.[1] ?? ''
      return answers[project] ?? { status: 404, body: '{}' }
    },
  })
})

afterAll(() => plugin.close())

test('a release is told once', async () => {
  expect(await plugin.call('watch_releases', { projects: ['nodejs/node'] })).toEqual({ watched: ['nodejs/node'] })
  expect(await plugin.call('new_releases')).toMatchObject({ new: [{ project: 'nodejs/node', tag: 'v1' }], failed: [] })
  expect(await plugin.call('new_releases')).toMatchObject({ new: [], watched: 1 })
  answers['nodejs/node'] = { body: [release('v2')] }
  expect(await plugin.call('new_releases')).toMatchObject({ new: [{ tag: 'v2' }] })
  expect(plugin.lines).toContain('Asking for nodejs/node (0 %)')
})

test('the token goes to GitHub, and the plugin never sees it', async () => {
  await plugin.call('watch_releases', { projects: ['nodejs/node'] })
  await plugin.call('new_releases')
  expect(asked[0]?.headers.authorization).toBe('Bearer token-of-the-test')
  expect(JSON.stringify([...plugin.kept, ...plugin.lines])).not.toContain('token-of-the-test')
})

test('one project that fails keeps none of the others from being told', async () => {
  await plugin.call('watch_releases', { projects: ['gone/away', 'nodejs/node'] })
  expect(await plugin.call('new_releases')).toMatchObject({
    new: [{ project: 'nodejs/node' }],
    failed: [{ project: 'gone/away', reason: 'there is no such project' }],
  })
})

test('a name that is no project is refused', async () => {
  await expect(plugin.call('watch_releases', { projects: ['../admin'] })).rejects.toThrow('owner/name')
  expect(asked).toEqual([])
})

test('what is no longer watched is not asked for', async () => {
  await plugin.call('watch_releases', { projects: ['nodejs/node'] })
  expect(await plugin.call('unwatch_releases', { projects: ['nodejs/node'] })).toEqual({ watched: [] })
  await plugin.call('new_releases')
  expect(asked).toEqual([])
})
