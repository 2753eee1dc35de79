import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type ActionName, actionNames } from '#sdk/services/browser-actions.ts'
import { type Daemon, eventually, startDaemon } from '../support/daemon.ts'
import { copyInstall, type InstallCopy } from '../support/install-copy.ts'

/*
 * The routes of the browser, before a service without a browser: what is asked of it, and what becomes of its answers.
 */

let install: InstallCopy
let keel: Daemon

beforeAll(async () => {
  install = copyInstall()
  install.replaceService('browser', new URL('../support/services/plain-browser.ts', import.meta.url))
  keel = await startDaemon({
    install: install.root,
    config: '[server]\nper_actor_rate_limit_requests = 100000\nper_ip_rate_limit_requests = 100000\n',
  })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  install.remove()
})

beforeEach(async () => {
  await keel.client.browser.stopBrowser()
})

const browser = () => keel.client.browser
const json = { 'content-type': 'application/json' }

interface Answer {
  status: number
  action?: string
  success?: boolean
  data?: Record<string, unknown>
  error: string | null
}

/** The status and the body, whatever they are. */
async function act(body: unknown): Promise<Answer> {
  const answer = await keel.fetch('/api/browser/action', {
    method: 'POST',
    headers: json,
    body: JSON.stringify(body),
  })
  return { status: answer.status, ...((await answer.json()) as Omit<Answer, 'status'>) }
}

async function serviceState() {
  const { services } = await keel.client.services.listServices()
  return services.find(({ name }) => name === 'browser')
}

/** Enough for each action to be one. */
const needed: Partial<Record<ActionName, Record<string, unknown>>> = {
  navigate: { url: 'https://example.org/' },
  click: { selector: '#a' },
  type: { selector: '#a', text: 'words' },
  evaluate: { expression: '1 + 1' },
  set_cookies: { cookies: [{ name: 'a', value: 'b', url: 'https://example.org/' }] },
  wait_for: { text: 'ready' },
  select: { ref: 'e1', value: 'b' },
  hover: { ref: 'e1' },
  press_key: { key: 'Enter' },
  upload: { selector: '#file', paths: ['a.txt'] },
  switch_tab: { tab: 0 },
  dialogs: { answer: 'accept' },
}

const pascal = (name: string) => name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())

test('status tells how the browser is without starting anything', async () => {
  const before = await serviceState()
  expect(await browser().getBrowserStatus()).toEqual({
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
  })
  expect((await serviceState())?.generation).toBe(before?.generation)
})

test('a fresh Keel has no process of the browser, and neither status, stop nor an action starts one', async () => {
  const fresh = await startDaemon({ install: install.root })
  try {
    expect(await fresh.client.browser.getBrowserStatus()).toMatchObject({ running: false })
    expect(await fresh.client.browser.stopBrowser()).toEqual({ status: 'stopped' })
    await expect(fresh.client.browser.runBrowserAction({ body: { action: 'screenshot' } })).rejects.toMatchObject({
      kind: 'invalid',
      message: 'browser not started',
    })
    await fresh.client.browser.closeBrowserSession({ params: { session: 'nobody' } })
    const { services } = await fresh.client.services.listServices()
    expect(services.find(({ name }) => name === 'browser')).toMatchObject({
      state: 'stopped',
      pid: null,
      generation: 0,
    })
  } finally {
    await fresh.dispose()
  }
})

test('start works although browser.enabled is false, a second one says so, and stop may be said again', async () => {
  expect(await browser().startBrowser()).toEqual({ status: 'started', cdp_port: 0 })
  expect(await browser().startBrowser()).toEqual({ status: 'already_running', cdp_port: 0 })
  expect(await browser().getBrowserStatus()).toMatchObject({
    running: true,
    enabled: false,
    browser_version: 'Plain/1.0',
  })
  expect(await browser().stopBrowser()).toEqual({ status: 'stopped' })
  expect(await browser().stopBrowser()).toEqual({ status: 'stopped' })
  expect(await browser().getBrowserStatus()).toMatchObject({ running: false, pid: null })
})

test('every action is refused before the start, under its name in snake_case', async () => {
  for (const name of actionNames) {
    expect(await act({ action: pascal(name), ...needed[name] }), name).toEqual({
      status: 400,
      action: name,
      success: false,
      data: null,
      error: 'browser not started',
      notices: [],
    })
  }
})

describe('started', () => {
  beforeEach(async () => {
    await browser().startBrowser()
  })

  test.each(actionNames)('%s is one action in each spelling', async (name) => {
    for (const spelling of [name, pascal(name), pascal(name).toLowerCase(), name.toUpperCase()]) {
      const { status, action, success, error, data } = await act({ action: spelling, ...needed[name] })
      expect({ status, action, success, error }, spelling).toEqual({
        status: 200,
        action: name,
        success: true,
        error: null,
      })
      if (name === 'screenshot') expect(data).toEqual({ format: 'png', data: 'iVBORw==' })
      else expect(data, spelling).toMatchObject({ action: name, session: 'default', profile: null })
    }
  })

  test('fields reach the service as they were given, with their defaults, and others do not', async () => {
    const { data } = await act({ action: 'Evaluate', script: '1 + 1', timeout_ms: 1_234, surprise: true })
    expect(data).toMatchObject({ fields: { expression: '1 + 1' }, timeout_ms: 1_234, session: 'default' })
    expect(data?.fields).toEqual({ expression: '1 + 1' })
    const { data: clicked } = await act({ action: 'click', ref: 'e12', session: 'mine' })
    expect(clicked).toMatchObject({
      session: 'mine',
      fields: { ref: 'e12', button: 'left', count: 1 },
      timeout_ms: 30_000,
      workspace: join(keel.home, 'workspace'),
    })
  })

  test('a failed action is 400 with its reason and what the page did', async () => {
    expect(await act({ action: 'Click', selector: '#gone' })).toEqual({
      status: 400,
      action: 'click',
      success: false,
      data: null,
      error: "selector '#gone' not found on page",
      notices: [{ kind: 'dialog', text: 'alert: hello' }],
    })
  })

  test.each([
    [{}, 'action: '],
    [{ action: 'fly' }, 'action: must be one of the known actions'],
    [{ action: 7 }, 'action: '],
    [{ action: 'navigate' }, 'url: is required'],
    [{ action: 'Click' }, 'selector: is required, or a ref'],
    [{ action: 'click', selector: '#a', ref: 'e1' }, 'ref: can not be given together with a selector'],
    [{ action: 'click', selector: 'a{b' }, 'selector: must not contain braces'],
    [{ action: 'click', selector: 'x'.repeat(501) }, 'selector: exceeds max length (500)'],
    [{ action: 'click', ref: 'body > a' }, 'ref: must be a reference of the last snapshot'],
    [{ action: 'type', selector: '#a' }, 'text: is required'],
    [{ action: 'wait_for' }, 'selector: is required, or a ref or a text'],
    [{ action: 'evaluate', expression: 'x'.repeat(100_001) }, 'expression: '],
    [{ action: 'reload', timeout_ms: 0 }, 'timeout_ms: '],
    [{ action: 'reload', profile: '../up' }, 'profile: must have 1 to 64 letters'],
    [{ action: 'reload', profile: 'mine', session: 'mine' }, 'session: can not be given together with a profile'],
    [{ action: 'reload', session: 'profile:mine' }, 'session: belongs to a profile'],
  ])('%j is 422 and names the field', async (body, error) => {
    const answer = await act(body)
    expect(answer.status, JSON.stringify(answer)).toBe(422)
    expect(answer.error).toContain(error)
  })

  test('another site’s page can start, stop and steer nothing, nor can a page without an Origin from elsewhere', async () => {
    for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
      for (const path of ['action', 'start', 'stop']) {
        const answer = await keel.fetch(`/api/browser/${path}`, {
          method: 'POST',
          headers: { ...json, ...headers },
          body: path === 'action' ? '{"action":"evaluate","expression":"1"}' : '{}',
        })
        expect(answer.status, `${path} ${JSON.stringify(headers)}`).toBe(403)
        await answer.body?.cancel()
      }
    }
    expect(await browser().getBrowserStatus()).toMatchObject({ running: true })
  })

  test('a process that ends in the midst of an action is an honest failure, and the next action works', async () => {
    const { pid } = (await serviceState()) ?? {}
    const answer = await act({ action: 'click', selector: '#exit' })
    expect(answer).toMatchObject({ status: 400, action: 'click', success: false, data: null })
    expect(answer.error).toContain('The browser service ended during act')
    await eventually('the browser is back', async () => (await act({ action: 'reload' })).status === 200, 10_000)
    expect((await serviceState())?.pid).not.toBe(pid)
  })

  test('sessions are listed with their tabs until they are closed', async () => {
    await act({ action: 'reload', session: 'one' })
    await act({ action: 'reload', session: 'two' })
    const { sessions } = await browser().getBrowserStatus()
    expect(sessions.map(({ session }) => session)).toEqual(['one', 'two'])
    expect(await browser().closeBrowserSession({ params: { session: 'one' } })).toEqual({
      closed: true,
      session: 'one',
    })
    expect((await browser().getBrowserStatus()).sessions.map(({ session }) => session)).toEqual(['two'])
  })

  test('a profile has a session of its own, is kept sealed, and can be forgotten', async () => {
    const cookies = [{ name: 'login', value: 'plain-to-see', url: 'https://example.org/' }]
    const { data } = await act({ action: 'set_cookies', profile: 'work', cookies })
    expect(data).toMatchObject({ session: 'profile:work', profile: 'work' })
    const { data: kept } = await act({ action: 'get_cookies', profile: 'work' })
    expect(JSON.parse(String(kept?.kept))).toEqual(cookies)
    expect((await act({ action: 'get_cookies', profile: 'other' })).data).toEqual({ kept: null })
    expect(await browser().listBrowserProfiles()).toEqual({ profiles: [{ name: 'work' }] })

    const db = new Database(join(keel.home, 'keel.db'), { readonly: true })
    const { sealed } = db.prepare("SELECT sealed FROM secrets WHERE name = 'browser-profile/work'").get() as {
      sealed: Buffer
    }
    db.close()
    expect(sealed.includes('plain-to-see')).toBe(false)

    await browser().deleteBrowserProfile({ params: { profile: 'work' } })
    expect((await browser().getBrowserStatus()).sessions.map(({ session }) => session)).not.toContain('profile:work')
    expect(await browser().listBrowserProfiles()).toEqual({ profiles: [] })
    await expect(browser().deleteBrowserProfile({ params: { profile: 'work' } })).rejects.toMatchObject({
      kind: 'not_found',
    })
  })

  test('there is room for 50 profiles, and one more is refused by name', async () => {
    const cookies = needed.set_cookies
    for (let n = 1; n <= 50; n++)
      expect((await act({ action: 'set_cookies', profile: `p${n}`, ...cookies })).status).toBe(200)
    expect(await act({ action: 'set_cookies', profile: 'p51', ...cookies })).toMatchObject({
      status: 409,
      error: 'profile: there are 50 already; delete one first',
    })
    expect((await act({ action: 'set_cookies', profile: 'p50', ...cookies })).status).toBe(200)
    for (let n = 1; n <= 50; n++) await browser().deleteBrowserProfile({ params: { profile: `p${n}` } })
  })

  test('changed settings reach the browser that runs', async () => {
    await keel.client.config.updateConfig({ body: { browser: { executable_path: '/elsewhere/chrome' } } })
    await eventually('they have', async () => {
      return (await browser().getBrowserStatus()).executable === '/elsewhere/chrome'
    })
  })
})
