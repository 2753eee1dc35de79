import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { forkBrowserService, type RunningBrowserService } from '../support/browser-service.ts'
import { type NastySite, startNastySite } from '../support/nasty-site.ts'

let site: NastySite
let service: RunningBrowserService

beforeAll(async () => {
  site = await startNastySite()
  service = await forkBrowserService({ settings: { allowed_hosts: [site.host] } })
})

afterAll(async () => {
  await service.close()
  await site.close()
})

beforeEach(async () => {
  await service.done('navigate', { url: site.origin })
})

const done: RunningBrowserService['done'] = (...given) => service.done(...given)

/** Why an action has failed. */
async function failure(...given: Parameters<RunningBrowserService['act']>): Promise<string> {
  const { success, data, error } = await service.act(...given)
  expect({ success, data }).toEqual({ success: false, data: null })
  return error ?? ''
}

test('status tells the process, the page and the sessions', async () => {
  const status = await service.browser.status({})
  expect(status).toMatchObject({ running: true, url: `${site.origin}/`, title: 'A form' })
  expect(status.browser_version).toMatch(/^\d+\./)
  expect(status.sessions).toMatchObject([{ session: 'default', profile: null, tabs: 1, url: `${site.origin}/` }])
  expect(process.kill(status.pid ?? 0, 0)).toBe(true)
})

test('start and stop may be said twice', async () => {
  expect(await service.browser.start({})).toEqual({ already_running: true })
  await service.browser.stop({})
  expect(await service.browser.stop({})).toBeNull()
  expect(await service.browser.status({})).toMatchObject({ running: false, pid: null, sessions: [] })
  expect(await service.browser.start({})).toEqual({ already_running: false })
})

test('navigate tells where it got to, and why it did not', async () => {
  const data = await done('navigate', { url: `${site.origin}/second` })
  expect(data).toEqual({ url: `${site.origin}/second`, frameId: expect.any(String), status: 200, title: 'Second' })
  expect(await done('navigate', { url: `${site.origin}/missing` })).toMatchObject({ status: 404 })
  expect(await failure('navigate', { url: 'no address' })).toContain('not a valid URL')
  expect(await failure('navigate', { url: `${site.origin}/reset` })).toBe(`${site.host} did not answer: socket hang up`)
  expect(await failure('navigate', { url: `${site.origin}/redirect-forever` })).toContain('redirects in a circle')
  expect(await failure('navigate', { url: `http://ann:pw@${site.host}/` })).toContain('user name or password')
  expect(await failure('navigate', {})).toContain('url')
})

test.each([
  'file:///etc/passwd',
  'javascript:alert(1)',
  'data:text/html,x',
  'chrome://version',
  'view-source:http://x',
  'about:blank',
  'FTP://x',
])('navigate refuses %s', async (url) => {
  const scheme = new URL(url).protocol
  expect(await failure('navigate', { url })).toBe(`URL scheme is blocked for security: ${scheme}`)
})

test('click tells the centre of what it clicked', async () => {
  const data = await done('click', { selector: '#count' })
  expect(data).toEqual({ selector: '#count', x: expect.any(Number), y: expect.any(Number) })
  await done('click', { selector: '#count', count: 2 })
  expect(await done('evaluate', { expression: 'count.textContent' })).toMatchObject({ value: '3' })
  expect(await done('click', { selector: '#bottom' })).toMatchObject({ selector: '#bottom' })
})

test('click says why it could not', async () => {
  const soon = { timeoutMs: 1_200 }
  expect(await failure('click', { selector: '#nothing' }, soon)).toBe("selector '#nothing' not found on page")
  expect(await failure('click', { selector: '#off' }, soon)).toContain('it is disabled')
  expect(await failure('click', { selector: '#under' }, soon)).toContain('another element covers it')
  expect(await failure('click', { selector: '#hidden' }, soon)).toContain('is not visible')
  expect(await failure('click', { selector: '###' }, soon)).toContain('is not a valid selector')
  expect(await failure('click', {}, soon)).toBe('selector or ref is required')
  expect(await failure('click', { ref: 'e99999' }, soon)).toContain('take a new snapshot')
  expect(await failure('click', { selector: 'a{}' }, soon)).toContain('braces')
})

test('type fills a field, and sends the form when it is told to', async () => {
  const data = await done('type', { selector: '#name', text: 'Ann' })
  expect(data).toEqual({ selector: '#name', text: 'Ann', length: 3 })
  await done('type', { selector: '#name', text: 'Bob', submit: true })
  await done('wait_for', { text: 'Thank you, Bob' })
  expect(await failure('type', { selector: 'p', text: 'x' }, { timeoutMs: 1_200 })).not.toBe('')
})

test('select, hover and press_key act on their elements', async () => {
  expect(await done('select', { selector: '#size', value: 'l' })).toEqual({ selector: '#size', values: ['l'] })
  expect(await failure('select', { selector: '#size', value: 'none' }, { timeoutMs: 1_200 })).toContain(
    'no such option',
  )
  await done('hover', { selector: '#hover' })
  await done('wait_for', { text: 'hovered' })
  expect(await failure('hover', { selector: '#nothing' }, { timeoutMs: 600 })).toContain('not found')
  expect(await done('press_key', { key: 'ArrowDown' })).toEqual({ key: 'ArrowDown' })
  await done('wait_for', { text: 'ArrowDown' })
  expect(await failure('press_key', { key: 'NoKey' })).toBe("There is no key 'NoKey'")
})

test('scroll moves the page, or to an element', async () => {
  expect(await done('scroll', { y: 500 })).toEqual({ x: 0, y: 500 })
  const { y } = await done('scroll', { selector: '#bottom' })
  expect(y).toBeGreaterThan(500)
  expect(await failure('scroll', { selector: '#nothing' }, { timeoutMs: 600 })).toContain('not found')
})

test('read_page and get_html tell what a page says', async () => {
  const page = await done('read_page')
  expect(page).toMatchObject({ url: `${site.origin}/`, title: 'A form', truncated: false })
  expect(page.text).toContain('Order')
  expect(page.text).not.toContain('unseen')
  expect(page.html_length).toBeGreaterThan(1_000)
  expect(await done('get_html', { selector: 'h1' })).toMatchObject({ html: '<h1>Order</h1>', html_length: 14 })
  expect((await done('get_html')).html).toContain('<title>A form</title>')
  expect(await failure('get_html', { selector: '#nothing' }, { timeoutMs: 600 })).toContain('not found')
})

test('what a page says stays within its bounds, without what would hide or command', async () => {
  await done('navigate', { url: `${site.origin}/huge` })
  const page = await done('read_page')
  expect(page).toMatchObject({ truncated: true })
  expect((page.text as string).length).toBeLessThanOrEqual(50_000)
  const { snapshot } = await done('snapshot')
  expect(Buffer.byteLength(snapshot as string)).toBeLessThanOrEqual(1_048_576)
  await done('navigate', { url: `${site.origin}/inject` })
  expect((await done('read_page')).text).toMatch(/leftright$/)
})

test('a snapshot names elements that can be acted on, and the next one tells what has changed', async () => {
  const { snapshot } = await done('snapshot')
  expect(snapshot).toContain('button "0" [ref=')
  const ref = /button "0" \[ref=(\w+)\]/.exec(snapshot as string)?.[1]
  expect(await done('click', { ref })).toMatchObject({ ref })
  const changed = await done('snapshot', { diff: true })
  expect(changed.diff).toContain('button "1"')
  expect(changed.diff).not.toContain('heading')
  expect(await done('snapshot', { diff: true })).toMatchObject({ diff: '', added: 0, removed: 0, changed: 0 })
  expect((await done('snapshot', { selector: 'h1' })).snapshot).toContain('heading "Order"')
  expect(await failure('snapshot', { selector: '#nothing' }, { timeoutMs: 600 })).toContain('not found')
})

test('elements of frames have references too', async () => {
  await done('navigate', { url: `${site.origin}/frame` })
  const { snapshot } = await done('snapshot')
  const ref = /link "back" \[ref=(\w+)\]/.exec(snapshot as string)?.[1]
  await done('click', { ref })
  await done('wait_for', { selector: 'iframe' })
  expect((await done('snapshot')).snapshot).toContain('heading "Order"')
})

test('evaluate answers with remote objects, and waits for promises', async () => {
  const value = async (expression: string) => await done('evaluate', { expression })
  expect(await value('1 + 1')).toEqual({ type: 'number', value: 2, description: '2' })
  expect(await value('"text"')).toEqual({ type: 'string', value: 'text' })
  expect(await value('null')).toEqual({ type: 'object', subtype: 'null', value: null })
  expect(await value('undefined')).toEqual({ type: 'undefined' })
  expect(await value('NaN')).toMatchObject({ type: 'number', unserializableValue: 'NaN' })
  expect(await value('12n')).toMatchObject({ type: 'bigint', unserializableValue: '12n' })
  expect(await value('{ a: [1, { b: true }] }')).toEqual({ type: 'object', value: { a: [1, { b: true }] } })
  expect(await value('const list = [1]; list.push(2); list')).toMatchObject({ subtype: 'array', value: [1, 2] })
  expect(await value('fetch("/second").then(({ status }) => status)')).toMatchObject({ value: 200 })
  expect(await value('(await fetch("/second")).status // with a remark')).toMatchObject({ value: 200 })
})

test('evaluate says what a script threw', async () => {
  expect(await failure('evaluate', { expression: 'throw new TypeError("bad")' })).toBe('TypeError: bad')
  expect(await failure('evaluate', { expression: 'Promise.reject("plain")' })).toBe('plain')
  expect(await failure('evaluate', { expression: 'no such' })).toContain('SyntaxError')
  expect(await failure('evaluate', { expression: 'x'.repeat(100_001) })).toContain('expression')
})

test('what evaluate brings is bounded, whatever the page has done to its own language', async () => {
  const deep = 'let deep = {}; for (let n = 0; n < 5000; n++) deep = { deep }; deep'
  expect(await done('evaluate', { expression: deep })).toMatchObject({ type: 'object' })
  const circle = 'const circle = {}; circle.self = circle; circle'
  expect(JSON.stringify(await done('evaluate', { expression: circle })).length).toBeLessThan(2_000)
  const long = await done('evaluate', { expression: '"x".repeat(300_000_000)' })
  expect((long.value as string).length).toBeLessThanOrEqual(1_048_577)
  const twisted = 'String.prototype.substring = function () { return this.repeat(2) }; "y".repeat(20_000_000)'
  expect(JSON.stringify(await done('evaluate', { expression: twisted })).length).toBeLessThan(2_000_000)
  const wide = await done('evaluate', { expression: 'Array.from({ length: 1e6 }, (_, n) => ({ n }))' })
  expect(wide).toMatchObject({ truncated: true })
})

test('screenshot and pdf bring pictures', async () => {
  const picture = await done('screenshot')
  const bytes = Buffer.from(picture.data as string, 'base64')
  expect(bytes.subarray(1, 4).toString()).toBe('PNG')
  expect(picture).toMatchObject({
    format: 'png',
    data_base64_length: (picture.data as string).length,
    approximate_bytes: bytes.length,
  })
  const whole = Buffer.from((await done('screenshot', { full_page: true })).data as string, 'base64')
  expect(whole.readUInt32BE(20)).toBeGreaterThan(3_000)
  expect(await done('screenshot', { selector: 'h1', format: 'jpeg' })).toMatchObject({ format: 'jpeg' })
  expect(await failure('screenshot', { selector: '#nothing' }, { timeoutMs: 600 })).toContain('not found')
  const pdf = await done('pdf', { landscape: true })
  expect(Buffer.from(pdf.data as string, 'base64').toString('latin1', 0, 5)).toBe('%PDF-')
})

test('cookies are set, told and cleared', async () => {
  const cookie = { name: 'kind', value: 'oat' }
  expect(await done('set_cookies', { cookies: [cookie] })).toEqual({ set: 1 })
  const { cookies, count } = await done('get_cookies')
  expect(count).toBe(1)
  expect(cookies).toMatchObject([{ ...cookie, domain: '127.0.0.1', path: '/' }])
  expect(await done('clear_cookies')).toEqual({ cleared: true })
  expect(await done('get_cookies')).toEqual({ cookies: [], count: 0 })
  expect(await failure('set_cookies', { cookies: [] })).toContain('cookies')
  expect(await failure('set_cookies', { cookies: [cookie] }, { session: 'empty' })).toContain(
    'url or domain is required',
  )
  await service.browser.closeSession({ session: 'empty' })
})

test('back, forward and reload move in the history, as far as there is one', async () => {
  await done('navigate', { url: `${site.origin}/second` })
  expect(await done('go_back')).toMatchObject({ navigated: 'back', title: 'A form' })
  expect(await done('go_forward')).toMatchObject({ navigated: 'forward', title: 'Second' })
  expect(await done('reload')).toMatchObject({ reloaded: true, title: 'Second' })
  expect(await failure('go_forward')).toBe('There is no page to go forward to')
})

test('wait_for waits for elements and texts, and says what did not come', async () => {
  await done('navigate', { url: `${site.origin}/late` })
  expect(await done('wait_for', { text: 'here now' })).toMatchObject({ text: 'here now', state: 'visible' })
  expect(await done('wait_for', { selector: '#never', state: 'detached' })).toMatchObject({ state: 'detached' })
  const missing = await failure('wait_for', { selector: '#never', timeout_ms: 200 })
  expect(missing).toBe("selector '#never' did not become visible in time")
  expect(await failure('wait_for', {})).toBe('selector, ref or text is required')
})

test('tabs are opened, told, switched and closed under numbers that stay', async () => {
  const { tab: first } = ((await done('tabs')).tabs as { tab: number }[])[0] ?? {}
  const opened = await done('new_tab', { url: `${site.origin}/second` })
  expect(opened).toMatchObject({ title: 'Second', status: 200 })
  expect(await done('tabs')).toMatchObject({
    count: 2,
    tabs: [
      { tab: first, active: false },
      { tab: opened.tab, active: true },
    ],
  })
  expect(await done('switch_tab', { tab: first })).toMatchObject({ tab: first, title: 'A form' })
  expect(await done('close_tab', { tab: opened.tab })).toMatchObject({ closed: opened.tab, tab: first })
  expect(await failure('switch_tab', { tab: opened.tab })).toBe(`There is no tab ${opened.tab}`)
  expect(await failure('close_tab', { tab: 999 })).toBe('There is no tab 999')
  expect(await failure('new_tab', { url: 'file:///etc/passwd' })).toContain('blocked')
  for (;;) {
    const { success, error } = await service.act('new_tab')
    if (success) continue
    expect(error).toContain('at most 8 tabs')
    break
  }
  await service.browser.closeSession({ session: 'default' })
})

test('files of the workspace are uploaded, and no others', async () => {
  mkdirSync(join(service.workspace, 'notes'), { recursive: true })
  writeFileSync(join(service.workspace, 'notes/one.txt'), 'the first')
  symlinkSync('/etc/hostname', join(service.workspace, 'link'))
  const data = await done('upload', { selector: '#file', paths: ['notes/one.txt'] })
  expect(data).toEqual({ selector: '#file', files: [{ name: 'one.txt', bytes: 9 }] })
  await done('evaluate', {
    expression: 'new Promise((end) => setInterval(() => document.title === "uploaded" && end(), 20))',
  })
  expect(site.uploaded).toContain('the first')
  for (const path of ['/etc/hostname', '../x', 'link']) {
    const error = await failure('upload', { selector: '#file', paths: [path] })
    expect(error).toMatch(/absolute|upwards|leads out/)
  }
  expect(await failure('upload', { selector: '#file', paths: ['none.txt'] })).toBe("There is no 'none.txt'")
  expect(await failure('upload', { selector: 'h1', paths: ['notes/one.txt'] })).not.toBe('')
})

test('downloads land in the workspace under plain names', async () => {
  expect(await done('navigate', { url: `${site.origin}/report.txt` })).toMatchObject({ download: true })
  await done('navigate', { url: `${site.origin}/report.txt` })
  const { downloads, count } = await done('downloads')
  expect(count).toBe(2)
  const saved = downloads as { path: string; state: string; bytes: number }[]
  // Which of the two is whole first, and has the name as it is, is the browser's to say.
  expect(saved.map(({ path }) => path).sort()).toEqual([
    'downloads/default/report (2).txt',
    'downloads/default/report.txt',
  ])
  for (const { path, state, bytes } of saved) {
    expect({ state, bytes }).toEqual({ state: 'saved', bytes: 8 })
    expect(readFileSync(join(service.workspace, path), 'utf8')).toBe('a report')
  }
  await done('navigate', { url: `${site.origin}/evil-name` })
  const last = ((await done('downloads')).downloads as { name: string; path: string }[]).at(-1)
  expect(last?.path).toMatch(/^downloads\/default\/[^/]+$/)
  expect(last?.name).not.toMatch(/^\.|\u202E|\.\./)
})

test('dialogs are dismissed, or answered as they were told to be', async () => {
  await done('navigate', { url: `${site.origin}/ask` })
  expect(await done('read_page')).toMatchObject({ title: 'false null' })
  expect(await done('dialogs', { answer: 'accept', text: 'Ann' })).toEqual({ answer: 'accept', text: 'Ann' })
  const { notices } = await service.act('navigate', { url: `${site.origin}/ask` })
  expect(notices).toContainEqual({ kind: 'dialog', text: 'confirm, accepted: sure?' })
  expect(await done('read_page')).toMatchObject({ title: 'true Ann' })
  await done('dialogs', { answer: 'dismiss' })
})

test('errors of a page are told with the next answer, once', async () => {
  const { notices } = await service.act('navigate', { url: `${site.origin}/errors` })
  expect(notices).toContainEqual({ kind: 'console_error', text: 'a bad thing' })
  expect(notices).toContainEqual({ kind: 'console_error', text: 'worse' })
  expect((await service.act('tabs')).notices).toEqual([])
})

test('sessions know nothing of each other, and a closed one leaves nothing', async () => {
  await done('navigate', { url: `${site.origin}/login` }, { session: 'ann' })
  expect(await done('navigate', { url: `${site.origin}/who` }, { session: 'ann' })).toMatchObject({
    title: 'user=ann|yes',
  })
  expect(await done('navigate', { url: `${site.origin}/who` }, { session: 'bob' })).toMatchObject({ title: '|null' })
  await service.browser.closeSession({ session: 'ann' })
  expect(await done('navigate', { url: `${site.origin}/who` }, { session: 'ann' })).toMatchObject({ title: '|null' })
  for (const session of ['ann', 'bob']) await service.browser.closeSession({ session })
})

test('a profile outlives its session', async () => {
  const ann = { session: 'shop', profile: 'ann' }
  await done('navigate', { url: `${site.origin}/login` }, ann)
  await service.browser.closeSession({ session: 'shop' })
  expect(service.profiles.get('ann')).toContain('"user"')
  expect(await done('navigate', { url: `${site.origin}/who` }, ann)).toMatchObject({ title: 'user=ann|yes' })
  expect(await failure('tabs', {}, { session: 'shop' })).toContain("is open with the profile 'ann'")
  await service.browser.closeSession({ session: 'shop' })
})

test('a watcher gets frames of the active tab, until it hangs up', async () => {
  await done('navigate', { url: `${site.origin}/clock` })
  const hangUp = new AbortController()
  const frames: { data: string; title: string }[] = []
  const watching = service.browser.watch(
    { session: 'default', fps: 15, width: 320, quality: 40 },
    {
      signal: hangUp.signal,
      onChunk(frame) {
        frames.push(frame)
        if (frames.length === 3) hangUp.abort()
      },
    },
  )
  await expect(watching).rejects.toMatchObject({ kind: 'cancelled' })
  expect(frames[0]).toMatchObject({ title: 'Clock', url: `${site.origin}/clock` })
  expect(Buffer.from(frames[0]?.data ?? '', 'base64').readUInt16BE(0)).toBe(0xffd8)
  const nobody = service.browser.watch({ session: 'none', fps: 5, width: 320, quality: 40 })
  await expect(nobody).rejects.toMatchObject({ kind: 'not_found' })
})
