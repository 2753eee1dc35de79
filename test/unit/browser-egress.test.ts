import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PageNotice } from '#sdk/services/browser.ts'
import { openGuard } from '../../services/browser/guard-proxy.ts'
import { type RunningBrowserService, startBrowserService } from '../support/browser-service.ts'
import { type ForbiddenSite, type NastySite, startForbiddenSite, startNastySite } from '../support/nasty-site.ts'

let forbidden: ForbiddenSite
let site: NastySite
let service: RunningBrowserService
/** What the resolver of the guard says of names, in turn; of a name that is not here, nothing. */
const answers = new Map<string, string[]>()

beforeAll(async () => {
  forbidden = await startForbiddenSite()
  site = await startNastySite(forbidden)
  service = await startBrowserService({
    settings: { allowed_hosts: [site.host, `allowed.test:${new URL(site.origin).port}`] },
    lookup: async (hostname) => {
      const [next, ...later] = answers.get(hostname) ?? []
      if (next === undefined) throw new Error(`no ${hostname}`)
      if (later.length > 0) answers.set(hostname, later)
      return [{ address: next, family: 4 }]
    },
  })
})

afterAll(async () => {
  await service.close()
  await site.close()
  await forbidden.close()
})

const visit = (path: string) => service.act('navigate', { url: site.origin + path })

/** With the action or soon after it: a page takes its time. */
async function expectRefusal(notices: PageNotice[]): Promise<void> {
  const told = [...notices]
  const more = async () => {
    told.push(...(await service.act('tabs')).notices)
    return told
  }
  await expect.poll(more, { timeout: 5_000 }).toContainEqual(blocked)
}

const blocked = { kind: 'blocked', text: "The host '127.0.0.1' is not on the public internet" }

test.each([
  '127.0.0.1',
  'localhost',
  '[::1]',
  '[::ffff:127.0.0.1]',
  '2130706433',
  '0x7f.1',
  '0177.0.0.1',
  '0.0.0.0',
  '10.0.0.1',
])('a page at %s is not to be had', async (host) => {
  answers.set('localhost', ['127.0.0.1'])
  const { success, error } = await service.act('navigate', { url: `http://${host}:${forbidden.port}/` })
  expect({ success, error }).toEqual({
    success: false,
    error: expect.stringMatching(/^blocked: The host '.*' is not on the public internet$/),
  })
  const secure = await service.act('navigate', { url: `https://${host}:${forbidden.port}/` })
  expect(secure.error).toMatch(/^blocked: /)
  expect(forbidden.reached).toEqual([])
})

test('a host that ends in a dot is refused under that name too', async () => {
  answers.set('allowed.test', ['127.0.0.1'])
  const { port } = new URL(site.origin)
  expect((await service.act('navigate', { url: `http://allowed.test:${port}/second` })).success).toBe(true)
  const { error } = await service.act('navigate', { url: `http://allowed.test.:${port}/second` })
  expect(error).toBe("blocked: The host 'allowed.test.' ends in a dot")
})

test('a redirect leads no further than a link', async () => {
  const local = await visit('/redirect-to-forbidden')
  expect(local).toMatchObject({ success: false, error: `blocked: ${blocked.text}` })
  const metadata = await visit('/redirect-to-metadata')
  expect(metadata.error).toBe("blocked: The host '169.254.169.254' is not on the public internet")
  expect(await visit('/redirect-to-file')).toMatchObject({ success: false })
  expect(forbidden.reached).toEqual([])
})

test('no part of a page comes from where the page itself may not', async () => {
  const { success, notices } = await visit('/sub-resources')
  expect(success).toBe(true)
  expect(notices).toContainEqual(blocked)
  await service.done('click', { selector: 'text=here' })
  expect(forbidden.reached).toEqual([])
})

test('no script reaches what the page may not: fetch, sockets, workers, beacons', async () => {
  const { notices } = await visit('/scripts')
  expect(notices).toContainEqual(blocked)
  await service.done('evaluate', { expression: waitUntilDone })
  expect(forbidden.reached).toEqual([])
})

test.each(['#link', '#script', '#post', '#open'])('a click on %s leads nowhere', async (selector) => {
  await visit('/link-to-forbidden')
  const { notices } = await service.act('click', { selector })
  await expectRefusal(notices)
  expect(forbidden.reached).toEqual([])
  await service.browser.closeSession({ session: 'default' })
})

test('evaluate and a refresh reach nothing either', async () => {
  await visit('/second')
  const fetched = await service.act('evaluate', { expression: `fetch('${forbidden.origin}/x', { mode: 'no-cors' })` })
  await expectRefusal(fetched.notices)
  const moved = await service.act('evaluate', { expression: `location = '${forbidden.origin}/x'` })
  await expectRefusal(moved.notices)
  const opened = await service.act('new_tab', { url: `${forbidden.origin}/x` })
  expect(opened.error).toBe(`blocked: ${blocked.text}`)
  const refreshed = await visit('/refresh-to-forbidden')
  await expectRefusal(refreshed.notices)
  expect(forbidden.reached).toEqual([])
})

test('a service worker does not live past its session, and reaches nothing', async () => {
  const visited = await service.act('navigate', { url: `${site.origin}/scripts` }, { session: 'worker' })
  expect(visited.success).toBe(true)
  await service.done('evaluate', { expression: waitUntilDone }, { session: 'worker' })
  expect(site.asked).toContain('/sw.js')
  await service.browser.closeSession({ session: 'worker' })
  expect(forbidden.reached).toEqual([])
})

test('WebRTC sends nothing around the guard, over UDP or TCP', async () => {
  const socket = createSocket('udp4').bind(forbidden.port, '127.0.0.1')
  await once(socket, 'listening')
  let packets = 0
  socket.on('message', () => {
    packets += 1
  })
  await visit('/webrtc')
  await service.done('evaluate', { expression: waitUntilDone })
  socket.close()
  expect(packets).toBe(0)
  expect(forbidden.reached).toEqual([])
})

test('a name that turns private after it was checked is not followed', async () => {
  const { port } = new URL(site.origin)
  // The first answer is public, where nobody listens for us; the second would lead home.
  answers.set('rebind.test', ['192.0.2.1', '127.0.0.1'])
  const first = await service.act('navigate', { url: `http://rebind.test:${forbidden.port}/` }, { timeoutMs: 3_000 })
  expect(first.success).toBe(false)
  const second = await service.act('navigate', { url: `http://rebind.test:${port}/second` })
  expect(second.error).toBe("blocked: The host 'rebind.test' is not on the public internet")
  expect(forbidden.reached).toEqual([])
})

test('a page can not be led to files, or to the browser itself', async () => {
  for (const path of ['/to-file', '/open-file']) {
    await visit(path)
    await service.act('wait_for', { selector: '#never', timeout_ms: 300 })
    const { tabs } = await service.done('tabs')
    for (const { url } of tabs as { url: string }[])
      expect(url).toMatch(/^(?:http:\/\/127\.0\.0\.1|about:blank|chrome-error:)/)
    const page = await service.act('read_page')
    expect(JSON.stringify(page.data)).not.toContain('root:')
    await service.browser.closeSession({ session: 'default' })
  }
})

test('the guard connects to the address that it has checked, and to no other', async () => {
  const failures: string[] = []
  const asked: string[] = []
  const guard = await openGuard({
    allowedHosts: () => [site.host],
    lookup: async (hostname) => {
      asked.push(hostname)
      return [
        { address: '93.184.216.34', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ]
    },
    onFailure: ({ reason }) => failures.push(reason),
  })
  const say = async (text: string) => {
    const socket = createConnection(Number(new URL(guard.url).port), '127.0.0.1')
    socket.end(text)
    const parts: Buffer[] = []
    for await (const part of socket) parts.push(part)
    return Buffer.concat(parts).toString().split('\r\n')[0]
  }
  expect(await say(`CONNECT mixed.test:${forbidden.port} HTTP/1.1\r\nHost: mixed.test\r\n\r\n`)).toMatch(/ 403 /)
  expect(asked).toEqual(['mixed.test'])
  expect(failures).toEqual(["The host 'mixed.test' is not on the public internet"])
  expect(await say(`GET / HTTP/1.1\r\nHost: ${forbidden.origin}\r\nConnection: close\r\n\r\n`)).toMatch(/ 400 /)
  expect(await say(`GET ftp://x/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).toMatch(/ 400 /)
  expect(await say('CONNECT nothing HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(/ 403 /)
  await guard.close()
  expect(forbidden.reached).toEqual([])
})

const waitUntilDone = `new Promise((end) => setInterval(() => document.title.startsWith('done') && end(), 20))`
