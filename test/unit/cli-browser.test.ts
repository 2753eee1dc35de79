import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type FakeCall, fakeKeel, keel } from '../support/cli-run.ts'

const moment = '2026-11-26T09:15:02.123Z'

const stopped = {
  running: false,
  enabled: false,
  headless: true,
  cdp_port: 0,
  pid: null,
  url: null,
  title: null,
  browser_version: null,
  started_at: null,
  executable: null,
  sessions: [],
}

const running = {
  ...stopped,
  running: true,
  enabled: true,
  pid: 77,
  url: 'https://example.org/',
  title: 'Example\u001b[2J',
  browser_version: '140.0',
  started_at: moment,
  executable: '/usr/bin/chromium',
  sessions: [
    { session: 'default', profile: null, tabs: 2, url: 'https://example.org/', last_used_at: moment },
    { session: 'profile:work', profile: 'work', tabs: 1, url: null, last_used_at: moment },
  ],
}

type Data = Record<string, unknown>
interface Asked extends Data {
  action: string
}

/** A Keel whose browser answers each action with this; `at` runs `keel browser …` against it. */
async function scene(data: Data = {}, routes: Record<string, unknown> = {}) {
  const { url, calls } = await fakeKeel({
    'GET /api/browser/status': running,
    'POST /api/browser/start': { status: 'started', cdp_port: 0 },
    'POST /api/browser/stop': { status: 'stopped' },
    'POST /api/browser/action': ({ body }: FakeCall) => {
      const { action } = body as Asked
      return { action, success: true, data, error: null, notices: [{ kind: 'dialog', text: 'alert: hi' }] }
    },
    ...routes,
  })
  const at = (...words: string[]) => keel(['--url', url, '--api-key', 'k', 'browser', ...words])
  return { at, calls, asked: () => calls.filter(({ route }) => route.endsWith('/action')).map(({ body }) => body) }
}

test('status tells how the browser is, in text that a page can not make dance', async () => {
  const { at } = await scene()
  const { stdout } = await at('status')
  expect(stdout).toMatch(/^The browser runs\.\nagent +may use it\nversion +140\.0\n/)
  expect(stdout).toContain('/usr/bin/chromium')
  expect(stdout).not.toContain('\u001b')
  expect(JSON.parse((await at('status', '--json')).stdout)).toEqual(running)
  const { at: still } = await scene({}, { 'GET /api/browser/status': stopped })
  expect((await still('status')).stdout).toBe(
    'The browser does not run.\nagent       may not use it: browser.enabled is false\n',
  )
})

test('start and stop say what has become of it', async () => {
  const { at } = await scene()
  expect((await at('start')).stdout).toBe('The browser is started.\n')
  expect((await at('stop')).stdout).toBe('The browser is stopped, and its sessions are closed.\n')
  const { at: again } = await scene({}, { 'POST /api/browser/start': { status: 'already_running', cdp_port: 0 } })
  expect((await again('start')).stdout).toBe('The browser runs already.\n')
})

test('open starts the browser and says where it came to', async () => {
  const { at, calls } = await scene({ url: 'https://example.org/landed' })
  expect((await at('open', 'https://example.org')).stdout).toBe('Opened https://example.org/landed\n')
  expect(calls.map(({ route }) => route)).toEqual(['POST /api/browser/start', 'POST /api/browser/action'])
  expect(calls[1]?.body).toEqual({ action: 'navigate', url: 'https://example.org' })
})

test('a session or a profile is passed on, and both together are refused', async () => {
  const { at, asked } = await scene({ snapshot: 'x', text: 'x' })
  await at('open', 'https://example.org', '--session', 'mine')
  await at('snapshot', '-s', 'mine')
  await at('read', '--profile', 'work')
  expect(asked()).toEqual([
    { action: 'navigate', url: 'https://example.org', session: 'mine' },
    { action: 'snapshot', session: 'mine' },
    { action: 'read_page', profile: 'work' },
  ])
  const { code, stderr } = await at('read', '-s', 'mine', '-p', 'work')
  expect(code).toBe(1)
  expect(stderr).toContain('cannot be used with option')
})

test('snapshot and read print what the page shows, and what it did beside', async () => {
  const { at } = await scene({ snapshot: '- heading "Hello\u001b[31m" [ref=e2]', text: 'Hello' })
  const snapshot = await at('snapshot')
  expect(snapshot.stdout).toMatch(/^- heading "Hello.*" \[ref=e2\]\n$/)
  expect(snapshot.stdout).not.toContain('\u001b')
  expect(snapshot.stderr).toBe('dialog: alert: hi\n')
  expect((await at('read')).stdout).toBe('Hello\n')
})

test('screenshot saves a picture in the format that its name says', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keel-cli-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const { at, asked } = await scene({ data: Buffer.from('picture').toString('base64') })
  const path = join(folder, 'page.png')
  expect((await at('screenshot', path)).stdout).toBe(`7 bytes are in ${path}\n`)
  expect(readFileSync(path, 'utf8')).toBe('picture')
  await at('screenshot', join(folder, 'page.JPG'), '--full')
  expect(asked()).toEqual([
    { action: 'screenshot', full_page: false, format: 'png' },
    { action: 'screenshot', full_page: true, format: 'jpeg' },
  ])
})

test('a failed action is told with its reason, and the command fails', async () => {
  const { at } = await scene(
    {},
    {
      'POST /api/browser/action': ({ body }: FakeCall, response: ServerResponse) => {
        const { action } = body as Asked
        const failed = { action, success: false, data: null, error: 'browser not started', notices: [] }
        response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify(failed))
      },
    },
  )
  expect(await at('read')).toEqual({ code: 1, stdout: '', stderr: 'browser not started\n' })
})

test('sessions and profiles are listed, closed and forgotten', async () => {
  const { at } = await scene(
    {},
    {
      'DELETE /api/browser/sessions/default': { closed: true, session: 'default' },
      'DELETE /api/browser/sessions/profile%3Awork': { closed: true, session: 'profile:work' },
      'GET /api/browser/profiles': { profiles: [{ name: 'home' }, { name: 'work' }] },
      'DELETE /api/browser/profiles/work': { deleted: true, name: 'work' },
    },
  )
  const [head, first, second] = (await at('sessions')).stdout.split('\n')
  expect(head).toMatch(/^SESSION +TABS +LAST USED +URL$/)
  expect(first).toMatch(/^default +2 +2026-11-26T09:15:02\.123Z +https:\/\/example\.org\/$/)
  expect(second).toMatch(/^profile:work +1 +\S+ +–$/)
  expect((await at('close')).stdout).toBe('Session default is closed.\n')
  expect((await at('close', 'profile:work')).stdout).toBe('Session profile:work is closed.\n')
  expect((await at('profiles')).stdout).toBe('home\nwork\n')
  expect((await at('forget', 'work')).stdout).toBe('Profile work is forgotten.\n')
  const { at: empty } = await scene(
    {},
    { 'GET /api/browser/status': stopped, 'GET /api/browser/profiles': { profiles: [] } },
  )
  expect((await empty('sessions')).stdout).toBe('No session is open.\n')
  expect((await empty('profiles')).stdout).toContain('No profile is kept.')
})
