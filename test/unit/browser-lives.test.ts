import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { unpackBundled } from '../../services/browser/find-executable.ts'
import { forkBrowserService, startBrowserService } from '../support/browser-service.ts'
import { freePort } from '../support/free-port.ts'
import { type NastySite, startNastySite } from '../support/nasty-site.ts'
import { rssMb } from '../support/process-memory.ts'
import { listProcesses, processesNaming, treePids } from '../support/processes.ts'

let site: NastySite

beforeAll(async () => {
  site = await startNastySite()
})

afterAll(() => site.close())

const settingsOf = () => ({ allowed_hosts: [site.host] })

/** The processes of a browser: all of them name its folder, or descend from one that does. */
function browserProcesses(servicePid: number): number[] {
  return processesNaming(`keel-browser-${servicePid}-`).map(({ pid }) => pid)
}

const foldersOf = (servicePid: number) =>
  readdirSync(tmpdir()).filter((name) => name.startsWith(`keel-browser-${servicePid}-`))

test('nothing is left behind by a service that was killed', async () => {
  const service = await forkBrowserService({ settings: settingsOf() })
  const pid = service.child.pid ?? 0
  await service.done('navigate', { url: `${site.origin}/clock` })
  expect(browserProcesses(pid).length).toBeGreaterThan(1)
  const cut = service.act('evaluate', { expression: 'new Promise(() => {})' })
  const exited = once(service.child, 'exit')
  service.child.kill('SIGKILL')
  await expect(cut).rejects.toMatchObject({ kind: expect.stringMatching(/unavailable|outcome_unknown/) })
  await exited
  await expect.poll(() => browserProcesses(pid), { timeout: 5_000 }).toEqual([])
  const next = await forkBrowserService({ settings: settingsOf() })
  await next.done('navigate', { url: `${site.origin}/second` })
  // Its folder is what the next browser clears away.
  expect(foldersOf(pid)).toEqual([])
  const nextPid = next.child.pid ?? 0
  await next.close()
  expect(browserProcesses(nextPid)).toEqual([])
  expect(foldersOf(nextPid)).toEqual([])
  await service.close()
}, 40_000)

test('a browser that is killed during an action is told of, and the next action has a new one', async () => {
  const service = await startBrowserService({ settings: settingsOf() })
  onTestFinished(() => service.close())
  await service.done('navigate', { url: `${site.origin}/second` })
  const { pid: first } = await service.browser.status({})
  const clicked = service.act('evaluate', { expression: 'new Promise(() => {})' })
  await service.browser.status({})
  process.kill(first ?? 0, 'SIGKILL')
  const error = 'The browser ended while evaluate was under way; whether it took effect is not known'
  expect(await clicked).toMatchObject({ success: false, error })
  const { success, data, notices } = await service.act('read_page')
  expect({ success, data }).toMatchObject({ success: true, data: { title: 'Second' } })
  expect(notices).toContainEqual({ kind: 'crash', text: expect.stringContaining('was started anew') })
  const { pid: second } = await service.browser.status({})
  expect(second).not.toBe(first)
  await expect.poll(() => listProcesses().some(({ pid }) => pid === first)).toBe(false)

  const waiting = service.act('wait_for', { text: 'The second page', state: 'hidden', timeout_ms: 3_000 })
  await service.browser.status({})
  process.kill(second ?? 0, 'SIGKILL')
  // Waiting does no harm twice: it was begun again in a third browser, on the same page.
  expect(await waiting).toMatchObject({ success: false, error: "text 'The second page' did not become hidden in time" })
  expect((await service.browser.status({})).pid).not.toBe(second)
}, 40_000)

test('a browser that does not start leaves no process, and says why', async () => {
  const folder = tmpdir()
  const script = join(folder, `no-browser-${process.pid}.sh`)
  writeFileSync(script, '#!/bin/sh\necho "this is no browser" >&2\nsleep 0.1\nexit 3\n', { mode: 0o755 })
  const service = await startBrowserService({ settings: { executable_path: script } })
  onTestFinished(() => service.close())
  await expect(service.browser.start({})).rejects.toMatchObject({
    kind: 'unavailable',
    message: 'The browser did not start: this is no browser',
  })
  expect(await service.browser.status({})).toMatchObject({ running: false, pid: null })
  await expect(service.act('tabs')).rejects.toMatchObject({ kind: 'unavailable' })
  expect(processesNaming(script)).toEqual([])
  const missing = await startBrowserService({ settings: { executable_path: '/nowhere/chrome' } })
  onTestFinished(() => missing.close())
  await expect(missing.browser.start({})).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining('/nowhere/chrome'),
  })
})

test('other tools may reach the browser at a port, and at none unless one is named', async () => {
  const port = await freePort()
  const service = await startBrowserService({ settings: { cdp_port: port } })
  onTestFinished(() => service.close())
  await service.browser.start({})
  const version = await (await fetch(`http://127.0.0.1:${port}/json/version`)).json()
  expect(version).toMatchObject({ Browser: expect.stringContaining('Chrom') })
})

test('sessions that nobody uses are closed, and then the browser ends', async () => {
  const service = await startBrowserService({ settings: { ...settingsOf(), idle_ms: 800 } })
  onTestFinished(() => service.close())
  await service.done('navigate', { url: `${site.origin}/login` }, { profile: 'kept' })
  await expect.poll(() => service.states.at(-1)?.running, { timeout: 10_000 }).toBe(false)
  expect(service.states.at(-1)).toMatchObject({ pid: null, sessions: [] })
  expect(service.profiles.get('kept')).toContain('"user"')
  expect(browserProcesses(process.pid)).toEqual([])
  expect(await service.done('navigate', { url: `${site.origin}/who` }, { profile: 'kept' })).toMatchObject({
    title: 'user=ann|yes',
  })
}, 30_000)

test('the seventeenth session takes the place of the one that was idle for longest', async () => {
  const service = await startBrowserService({ settings: settingsOf() })
  onTestFinished(() => service.close())
  for (let n = 1; n <= 16; n++) await service.done('tabs', {}, { session: `s${n}` })
  await service.done('tabs', {}, { session: 's1' })
  await service.done('tabs', {}, { session: 's17' })
  const names = (await service.browser.status({})).sessions.map(({ session }) => session)
  expect(names).toHaveLength(16)
  expect(names).toContain('s1')
  expect(names).not.toContain('s2')
}, 40_000)

test('fifty sessions in turn leave memory and processes as they were', async () => {
  const service = await forkBrowserService({ settings: settingsOf() })
  onTestFinished(() => service.close())
  const pid = service.child.pid ?? 0
  const weigh = () =>
    treePids(pid)
      .map(rssOf)
      .reduce((sum, one) => sum + one, 0)
  const weights: number[] = []
  for (let n = 1; n <= 50; n++) {
    const session = `turn-${n}`
    await service.done('navigate', { url: site.origin }, { session })
    await service.done('click', { selector: '#count' }, { session })
    await service.done('snapshot', {}, { session })
    await service.browser.closeSession({ session })
    weights.push(weigh())
  }
  // Of several each, as memory comes back when it comes back.
  const around = (from: number) => Math.min(...weights.slice(from - 5, from))
  expect(around(50) / around(10)).toBeLessThan(1.15)
  expect((await service.browser.status({})).sessions).toEqual([])
  const renderers = processesNaming(`keel-browser-${pid}-`).filter(({ command }) => command.includes('--type=renderer'))
  expect(renderers.length).toBeLessThanOrEqual(2)
}, 120_000)

/** In MB; nothing of a process that has just ended. */
function rssOf(pid: number): number {
  return existsSync(`/proc/${pid}/status`) && readFileSync(`/proc/${pid}/status`, 'utf8').includes('VmRSS')
    ? rssMb(pid)
    : 0
}

test('the browser that Keel brings along is found where there is no other, and works', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keel-bundled-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const { TMPDIR } = process.env
  process.env.TMPDIR = folder
  onTestFinished(() => {
    if (TMPDIR === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = TMPDIR
  })
  const executable_path = await unpackBundled()
  expect(executable_path).toContain(folder)
  expect(process.env.TMPDIR).toBe(folder)
  const service = await startBrowserService({ settings: { ...settingsOf(), executable_path } })
  onTestFinished(() => service.close())
  expect(await service.done('navigate', { url: `${site.origin}/second` })).toMatchObject({ title: 'Second' })
  chmodSync(dirname(executable_path), 0o777)
  await expect(unpackBundled()).rejects.toMatchObject({ kind: 'unavailable' })
}, 40_000)
