import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type RunningBrowserService, startBrowserService } from '../support/browser-service.ts'
import { type NastySite, startNastySite } from '../support/nasty-site.ts'

let site: NastySite
let service: RunningBrowserService

beforeAll(async () => {
  site = await startNastySite()
  service = await startBrowserService({ settings: { allowed_hosts: [site.host] } })
})

afterAll(async () => {
  await service.close()
  await site.close()
})

afterEach(() => service.browser.closeSession({ session: 'default' }))

const visit = (path: string, timeoutMs?: number) =>
  service.act('navigate', { url: site.origin + path }, timeoutMs === undefined ? {} : { timeoutMs })

/** The session is as good as new. */
async function expectWell(): Promise<void> {
  expect(await service.done('navigate', { url: `${site.origin}/second` })).toMatchObject({ title: 'Second' })
  expect((await service.done('read_page')).text).toContain('The second page')
}

test('a script without an end is ended at its deadline, and the page is there afterwards', async () => {
  await visit('/second')
  const startedAt = performance.now()
  const loop = service.act('evaluate', { expression: 'for (;;);' }, { timeoutMs: 800 })
  await expect(loop).rejects.toMatchObject({ kind: 'timeout', message: 'evaluate did not finish within 0.8 s' })
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  expect((await service.done('read_page')).text).toContain('The second page')
})

test('an action ends as soon as its caller turns away', async () => {
  await visit('/second')
  const turnAway = new AbortController()
  const waiting = service.act('wait_for', { selector: '#never' }, { signal: turnAway.signal })
  const late = service.act('evaluate', { expression: 'new Promise(() => {})' }, { signal: turnAway.signal })
  turnAway.abort()
  await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' })
  await expect(late).rejects.toMatchObject({ kind: 'cancelled' })
  await expectWell()
})

test('a page that loops of itself is interrupted, or replaced by an empty one', async () => {
  await visit('/loop')
  await expect(
    service.act('evaluate', { expression: 'new Promise((end) => setTimeout(end, 5000))' }, { timeoutMs: 1_000 }),
  ).rejects.toMatchObject({ kind: 'timeout' })
  await expectWell()
  await visit('/loop-forever', 1_500)
  await service.act('read_page', {}, { timeoutMs: 1_000 }).catch(() => {})
  const { notices } = await service.act('tabs')
  expect(notices).toContainEqual({
    kind: 'crash',
    text: expect.stringContaining('did not answer any more and was closed'),
  })
  await expectWell()
}, 30_000)

test('a page that never finishes loading can be used as far as it is there', async () => {
  const { success, error } = await visit('/never', 3_000)
  expect({ success, error }).toEqual({
    success: false,
    error: 'The page did not finish loading in time; what is there can be used',
  })
  expect((await service.done('read_page')).text).toContain('so far')
  const silent = await visit('/silent', 1_500)
  expect(silent.success).toBe(false)
  await expectWell()
})

test('popups become tabs as far as there is room, and a storm of them ends', async () => {
  const { notices } = await visit('/popups')
  await expectWell()
  const { count } = await service.done('tabs')
  expect(count).toBeLessThanOrEqual(8)
  const told = [...notices, ...(await service.act('tabs')).notices]
  expect(told.filter(({ kind }) => kind === 'popup').length).toBeGreaterThan(0)
})

test('a storm of dialogs is dismissed, and one without an end is got rid of', async () => {
  const { success, notices } = await visit('/alerts')
  expect(success).toBe(true)
  expect(notices).toContainEqual({ kind: 'dialog', text: 'alert, dismissed: alarm 0' })
  expect(notices.length).toBeLessThanOrEqual(40)
  await visit('/alerts-forever', 1_500).catch(() => {})
  await expectWell()
})

test('a page can not keep anybody from leaving it', async () => {
  await visit('/stay')
  await service.done('click', { selector: 'button' })
  await expectWell()
})

test('a page that takes more memory than there is crashes, and is told of', async () => {
  await visit('/bomb')
  const waiting = { expression: 'new Promise(() => {})' }
  const { error, notices } = await service.act('evaluate', waiting, { timeoutMs: 40_000 })
  expect(error).toBe('the page crashed or was closed meanwhile')
  expect(notices).toContainEqual({ kind: 'crash', text: `The page crashed: ${site.origin}/bomb` })
  await expectWell()
}, 60_000)

test('what a page shouts does not fill this process', async () => {
  const before = process.memoryUsage.rss()
  await visit('/flood')
  const { title } = await service.done('read_page')
  expect((title as string).length).toBeLessThanOrEqual(1_024)
  expect(process.memoryUsage.rss() - before).toBeLessThan(300_000_000)
  await expectWell()
})

test('a download is refused as soon as it is too large, and leaves nothing', async () => {
  await visit('/files')
  await service.done('click', { selector: '#giant' })
  const { downloads } = await service.done('downloads')
  expect(downloads).toMatchObject([{ name: 'giant', state: 'refused', path: null }])
  const { notices } = await service.act('tabs')
  const endless = await visit('/endless')
  expect(endless.data).toMatchObject({ download: true })
  const later = await service.done('downloads')
  expect((later.downloads as { state: string }[]).map(({ state }) => state)).toEqual(['refused', 'refused'])
  expect(JSON.stringify(notices)).not.toContain('saved')
  const folder = join(service.workspace, 'downloads')
  expect(existsSync(folder) ? readdirSync(folder) : []).toEqual([])
  await expectWell()
}, 40_000)

test('a page that asks for a password is told of as that', async () => {
  expect(await visit('/auth')).toMatchObject({
    success: false,
    error: 'the site asks for a user name and a password (ERR_INVALID_AUTH_CREDENTIALS)',
  })
  await expectWell()
})

test('a session that is busy does not hold up another', async () => {
  await visit('/second')
  const busy = service.act('evaluate', { expression: 'for (;;);' }, { timeoutMs: 3_000 }).catch(({ kind }) => kind)
  const other = await service.act('navigate', { url: `${site.origin}/` }, { session: 'other' })
  expect(other.data).toMatchObject({ title: 'A form' })
  let isOver = false
  busy.then(() => {
    isOver = true
  })
  await service.done('read_page', {}, { session: 'other' })
  expect(isOver).toBe(false)
  expect(await busy).toBe('timeout')
  await service.browser.closeSession({ session: 'other' })
})

test('actions of one session are done in the order in which they were asked for', async () => {
  await visit('/second')
  const slow = service.done('evaluate', {
    expression: 'new Promise((end) => setTimeout(() => end(globalThis.step = 1), 300))',
  })
  const quick = service.done('evaluate', { expression: 'globalThis.step' })
  expect(await quick).toMatchObject({ value: 1 })
  await slow
})
