import { mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Daemon, startDaemon, eventually as within } from '../support/daemon.ts'
import { EventFollower, type FollowedEvent } from '../support/event-follower.ts'
import { manifestOf, moduleOf, placePlugin, sayingPlugin, writePlugin } from '../support/plugin-folder.ts'

/*
 * What happens to one plugin while Keel runs: saved, broken, mended, renamed, deleted, kept out. Another runs all the while.
 */

const home = mkdtempSync(join(tmpdir(), 'keel-home-'))
const plugins = join(home, 'plugins')
/** A machine that does much else takes its time to tell of a saved file. */
const deadlineMs = 15_000
const eventually = (what: string, check: () => boolean | Promise<boolean>) => within(what, check, deadlineMs)
let keel: Daemon
let events: EventFollower

beforeAll(async () => {
  writePlugin(plugins, 'steady', sayingPlugin('steady', 'steady', 'here'))
  keel = await startDaemon({ home })
  await keel.client.plugins.reloadPlugins()
  events = new EventFollower(keel)
  await events.connect()
}, 30_000)

afterAll(async () => {
  await events.cut()
  await keel.dispose()
  rmSync(home, { recursive: true, force: true, maxRetries: 5 })
})

async function say(plugin: string, tool = 'say'): Promise<string> {
  const answer = await keel.client.plugins.executePluginTool({ params: { name: plugin, tool }, body: {} })
  return 'result' in answer ? answer.result.output : answer.status
}

const says = (plugin: string, word: string) =>
  eventually(`${plugin} says ${word}`, async () => (await say(plugin).catch(() => '')) === word)

async function view(name: string) {
  const { plugins: all } = await keel.client.plugins.listPlugins()
  return all.find((plugin) => plugin.name === name)
}

/** Waits for the first event about the plugin, from here on, that is as wanted. */
async function told(name: string, fits: (event: FollowedEvent) => boolean): Promise<void> {
  const isIt = (event: FollowedEvent) => event.type === 'plugin_changed' && event.name === name && fits(event)
  await eventually(`an event about ${name}`, () => events.events.some(isIt))
  events.events.length = 0
}

test('dropped in, it is live; saved again, the new version is', async () => {
  writePlugin(plugins, 'draft', sayingPlugin('draft', 'say', 'one'))
  await told('draft', ({ status }) => status === 'Active')
  expect(await say('draft')).toBe('one')
  writeFileSync(join(plugins, 'draft', 'plugin.js'), moduleOf({ say: 'return "two"' }))
  await told('draft', ({ status }) => status === 'Active')
  expect(await say('draft')).toBe('two')
})

test.each([
  ['its code does not parse', 'plugin.js', 'export default {', 'plugin.js'],
  ['its code throws as it is loaded', 'plugin.js', 'throw new Error("not today")', 'not today'],
  ['its code never ends as it is loaded', 'plugin.js', 'for (;;) {}', 'longer than it may'],
  ['its code lacks a tool', 'plugin.js', moduleOf({ other: 'return 1' }), 'tools: the code does not define say'],
  ['its manifest is no TOML', 'plugin.toml', 'name = ', 'not valid TOML'],
  ['its manifest has a wrong value', 'plugin.toml', manifestOf('draft', { say: 'risk = "none"' }), 'tools.0.risk'],
  ['its name is another’s', 'plugin.toml', manifestOf('steady', { say: '' }), 'is not what its folder is called'],
])('broken, as %s, its last good version stays, and event, API and log say why', async (_, file, text, why) => {
  const good = sayingPlugin('draft', 'say', 'two')
  placePlugin(plugins, 'draft', good)
  await says('draft', 'two')
  await eventually('no error is left', async () => (await view('draft'))?.error === undefined)
  events.events.length = 0

  writeFileSync(join(plugins, 'draft', file), text)
  await told('draft', ({ status, error }) => status === 'Error' && String(error).includes(why))
  expect(await view('draft')).toMatchObject({ status: 'Active', error: expect.stringContaining(why) })
  expect(await say('draft')).toBe('two')
  expect(await say('steady', 'steady')).toBe('here')
  const { issues } = await keel.client.plugins.reloadPlugins()
  expect(issues).toEqual([expect.stringContaining(why)])
  expect(keel.output()).toContain('its last good version stays')

  writeFileSync(join(plugins, 'draft', file), good[file] ?? '')
  await told('draft', ({ status }) => status === 'Active')
  expect((await view('draft'))?.error).toBeUndefined()
})

test('broken from the beginning, it blocks nobody and is listed with the reason', async () => {
  writePlugin(plugins, 'bad', { 'plugin.toml': 'name = "bad"\nversion = "1"\n' })
  await told('bad', ({ status, error }) => status === 'Error' && String(error).includes('plugin.ts or plugin.js'))
  expect(await view('bad')).toMatchObject({ status: 'Error' })
  rmSync(join(plugins, 'bad'), { recursive: true })
  await eventually('it is gone', async () => (await view('bad')) === undefined)
})

test('renamed, with its manifest, it is the other one', async () => {
  placePlugin(plugins, 'draft', sayingPlugin('draft', 'say', 'old name'))
  await says('draft', 'old name')
  renameSync(join(plugins, 'draft'), join(plugins, 'final'))
  writeFileSync(join(plugins, 'final', 'plugin.toml'), manifestOf('final', { say: 'risk = "safe"' }))
  await says('final', 'old name')
  await eventually('the old one is gone', async () => (await view('draft')) === undefined)
})

test('deleted, its tool is gone', async () => {
  rmSync(join(plugins, 'final'), { recursive: true })
  await told('final', ({ status }) => status === 'Removed')
  await expect(say('final')).rejects.toThrow("plugin 'final' not found")
})

test('a burst of saves ends with the last', async () => {
  writePlugin(plugins, 'busy', sayingPlugin('busy', 'say', 'save 0'))
  for (let save = 1; save <= 200; save++) {
    writeFileSync(join(plugins, 'busy', 'plugin.js'), moduleOf({ say: `return "save ${save}"` }))
    if (save % 40 === 0) await say('steady', 'steady')
  }
  await says('busy', 'save 200')
  expect((await view('busy'))?.error).toBeUndefined()
})

test('a call under way ends in the version in which it began', async () => {
  const slow = (word: string) =>
    moduleOf({ say: `await new Promise((go) => setTimeout(go, 1500)); return ${JSON.stringify(word)}` })
  placePlugin(plugins, 'slow', {
    'plugin.toml': manifestOf('slow', { say: 'risk = "safe"' }),
    'plugin.js': slow('old'),
  })
  await told('slow', ({ status }) => status === 'Active')
  const answer = say('slow')
  await eventually('it runs', () => events.events.some(({ type }) => type === 'tool_call_started'))
  writeFileSync(join(plugins, 'slow', 'plugin.js'), slow('new'))
  await told('slow', ({ status }) => status === 'Active')
  expect(await answer).toBe('old')
  expect(await say('slow')).toBe('new')
})

test('a host that a new version asks for is not granted with the others', async () => {
  const toml = (hosts: string) =>
    manifestOf('reader', { say: 'risk = "safe"' }, `permissions = ["http.fetch"]\n[http]\nhosts = [${hosts}]\n`)
  const code = moduleOf({ say: 'return (await host.http.fetch("https://b.example.org/")).body' })
  writePlugin(plugins, 'reader', { 'plugin.toml': toml('"a.example.org"'), 'plugin.js': code })
  await told('reader', ({ status }) => status === 'Loaded')
  await keel.client.plugins.enablePlugin({ params: { name: 'reader' } })
  await told('reader', ({ status }) => status === 'Active')
  writeFileSync(join(plugins, 'reader', 'plugin.toml'), toml('"a.example.org", "b.example.org"'))
  await told('reader', ({ status }) => status === 'Active')
  expect((await view('reader'))?.warnings).toEqual([expect.stringContaining('http.fetch to b.example.org')])
  expect(await say('reader')).toContain('https://b.example.org is none of the plugin')
})

test('the configuration lets in and keeps out while it runs', async () => {
  const set = (settings: Record<string, unknown>) =>
    keel.client.config.updateConfig({ body: { plugins: settings } }).then(() => undefined)
  await set({ deny: ['stead*'] })
  await eventually('it is kept out', async () => (await view('steady'))?.status === 'Disabled')
  await expect(say('steady', 'steady')).rejects.toThrow('not found')
  await set({ deny: [], allow: ['busy'] })
  expect(await view('steady')).toMatchObject({ status: 'Disabled' })
  await set({ allow: [] })
  await eventually('it is let in', async () => (await view('steady'))?.status === 'Active')

  await set({ strict_permissions: true })
  await eventually('what asks for more is refused', async () => (await view('reader'))?.status === 'Error')
  expect(await view('reader')).toMatchObject({ error: expect.stringContaining('plugins.allowed_permissions') })
  expect(await view('steady')).toMatchObject({ status: 'Active' })
  await set({ allowed_permissions: ['http.fetch'] })
  await eventually('what was allowed is let in', async () => (await view('reader'))?.status === 'Active')
  await set({ strict_permissions: false, allowed_permissions: [] })
})

test('another folder has other plugins', async () => {
  const other = join(home, 'others')
  writePlugin(other, 'other', sayingPlugin('other', 'say', 'elsewhere'))
  const names = async () => (await keel.client.plugins.listPlugins()).plugins.map(({ name }) => name)
  await keel.client.config.updateConfig({ body: { plugins: { dir: other } } })
  await eventually('they are those of the other folder', async () => (await names()).join() === 'other')
  expect(await say('other')).toBe('elsewhere')
  writeFileSync(join(other, 'other', 'plugin.js'), moduleOf({ say: 'return "still"' }))
  await says('other', 'still')
  await keel.client.config.updateConfig({ body: { plugins: { dir: plugins } } })
  await eventually('they are as before', async () => (await names()).includes('steady'))
  expect(await say('steady', 'steady')).toBe('here')
})

test('without its manifest, a folder is no plugin', async () => {
  unlinkSync(join(plugins, 'busy', 'plugin.toml'))
  await told('busy', ({ status }) => status === 'Removed')
})
