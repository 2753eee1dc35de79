import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type Daemon, eventually, startDaemon } from '../support/daemon.ts'
import { copyInstall, type InstallCopy } from '../support/install-copy.ts'

/*
 * What a session of the browser shows, over the WebSocket: before a service that paints as many frames as it is asked for.
 */

interface Frame extends Record<string, unknown> {
  type: string
}

let install: InstallCopy
let keel: Daemon
let clients: Viewer[] = []

class Viewer {
  readonly frames: Frame[] = []
  readonly #socket: WebSocket

  constructor() {
    this.#socket = new WebSocket(`${keel.url.replace('http', 'ws')}/ws`, { headers: { 'x-api-key': keel.apiKey } })
    this.#socket.on('message', (data) => this.frames.push(JSON.parse(data.toString())))
    clients.push(this)
  }

  async open(): Promise<this> {
    await eventually('the greeting is there', () => this.frames.some(({ type }) => type === 'connected'))
    return this
  }

  say(message: unknown): void {
    this.#socket.send(JSON.stringify(message))
  }

  watch(session: string, more: Record<string, unknown> = {}): void {
    this.say({ type: 'browser_watch', session, fps: 15, width: 400, ...more })
  }

  of(type: string, session?: string): Frame[] {
    return this.frames.filter((frame) => frame.type === type && (session === undefined || frame.session === session))
  }

  async has(type: string, session?: string, count = 1): Promise<Frame> {
    await eventually(`${count} ${type} came`, () => this.of(type, session).length >= count, 10_000)
    return this.of(type, session).at(-1) as Frame
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  async cut(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return
    const closed = once(this.#socket, 'close')
    this.#socket.terminate()
    await closed
  }
}

const viewer = () => new Viewer().open()

beforeAll(async () => {
  install = copyInstall()
  install.replaceService('browser', new URL('../support/services/plain-browser.ts', import.meta.url))
  keel = await startDaemon({ install: install.root })
}, 30_000)

afterAll(async () => {
  await keel.dispose()
  install.remove()
})

beforeEach(async () => {
  await keel.client.browser.startBrowser()
})

afterEach(async () => {
  await Promise.all(clients.map((client) => client.cut()))
  clients = []
  await eventually('nobody watches', async () => (await callsUnderWay()) === 0)
})

async function callsUnderWay(): Promise<number> {
  const { services } = await keel.client.services.listServices()
  return services.find(({ name }) => name === 'browser')?.calls_in_flight ?? 0
}

test('whoever watches a session is sent its frames, with where they come from, until they say so', async () => {
  const client = await viewer()
  client.watch('default')
  expect(await client.has('browser_watching')).toMatchObject({ session: 'default', fps: 15, width: 400, quality: 60 })
  const frame = await client.has('browser_frame', 'default', 3)
  expect(frame).toMatchObject({ width: 400, url: 'http://page.test/', title: 'default' })
  expect(String(frame.data)).toHaveLength(20_000)
  expect(client.of('browser_frame').map(({ height }) => height)).toEqual(
    client.of('browser_frame').map((_, at) => at + 1),
  )
  client.say({ type: 'browser_unwatch', session: 'default' })
  const end = await client.has('browser_unwatched', 'default')
  expect(end).not.toHaveProperty('error')
  // What else happens in Keel is told here too.
  const last = () => client.frames.findLast(({ type }) => String(type).startsWith('browser_'))
  expect(last()).toBe(end)
  await eventually('the service paints no more', async () => (await callsUnderWay()) === 0)
  expect(last()).toBe(end)
})

test('fps, width and session have defaults, and a wrong one is named', async () => {
  const client = await viewer()
  client.say({ type: 'browser_watch' })
  expect(await client.has('browser_watching')).toMatchObject({ session: 'default', fps: 2, width: 800 })
  client.say({ type: 'browser_watch', fps: 100 })
  expect((await client.has('browser_unwatched')).error).toMatch(/^fps: /)
  client.say({ type: 'browser_watch', width: 5 })
  expect((await client.has('browser_unwatched', undefined, 2)).error).toMatch(/^width: /)
  client.say({ type: 'browser_unwatch', session: 'nobody' })
  expect(await client.has('browser_unwatched', 'nobody')).toMatchObject({ error: 'session: is not watched' })
  expect(client.of('browser_unwatched', 'default')).toEqual([])
})

test('a second word about a session takes the place of the first', async () => {
  const client = await viewer()
  client.watch('default', { width: 300 })
  await client.has('browser_frame')
  client.watch('default', { width: 500 })
  await eventually('the new width is shown', () => client.of('browser_frame').at(-1)?.width === 500)
  expect(await callsUnderWay()).toBe(1)
  expect(client.of('browser_unwatched')).toEqual([])
})

test('no more than four watch at once, and a place is free again when one goes without a word', async () => {
  const [first, second] = [await viewer(), await viewer()]
  for (const session of ['a', 'b']) first.watch(session)
  for (const session of ['c', 'd']) second.watch(session)
  for (const [client, session] of [
    [first, 'a'],
    [first, 'b'],
    [second, 'c'],
    [second, 'd'],
  ] as const)
    await client.has('browser_frame', session)
  const fifth = await viewer()
  fifth.watch('e')
  expect(await fifth.has('browser_unwatched', 'e')).toMatchObject({ error: 'there are 4 watchers already' })
  await first.cut()
  await eventually('their views have ended', async () => (await callsUnderWay()) === 2)
  fifth.watch('e')
  await fifth.has('browser_frame', 'e')
})

test('who does not read is sent no old frames: they are dropped, and the newest comes when there is room', async () => {
  const client = await viewer()
  const other = await viewer()
  client.watch('big')
  await client.has('browser_frame', 'big')
  client.pause()
  // More than the connection and the kernel hold for a reader: kept, they would end the connection as a slow one.
  other.watch('big')
  await other.has('browser_frame', 'big', 60)
  const painted = Number(other.of('browser_frame').at(-1)?.height)
  client.resume()
  await eventually('a new frame is there', () => Number(client.of('browser_frame').at(-1)?.height) > painted, 10_000)
  const heights = client.of('browser_frame').map(({ height }) => Number(height))
  expect(heights).toEqual(heights.toSorted((left, right) => left - right))
  expect(heights.length).toBeLessThan(painted)
  expect(client.of('browser_unwatched')).toEqual([])
}, 20_000)

test('a view that the service ends, and one whose process ends, are told so; without a browser there is none', async () => {
  const client = await viewer()
  client.watch('short')
  expect(await client.has('browser_unwatched', 'short')).not.toHaveProperty('error')

  client.watch('default')
  await client.has('browser_frame', 'default')
  const { services } = await keel.client.services.listServices()
  process.kill(services.find(({ name }) => name === 'browser')?.pid ?? 0, 'SIGKILL')
  expect((await client.has('browser_unwatched', 'default')).error).toContain('The browser service ended during watch')

  await keel.client.browser.stopBrowser()
  client.watch('later')
  expect(await client.has('browser_unwatched', 'later')).toMatchObject({ error: 'browser not started' })
})

test('without the API key there is no WebSocket to watch over', async () => {
  const stranger = new WebSocket(`${keel.url.replace('http', 'ws')}/ws`)
  const [error] = (await once(stranger, 'error')) as [Error]
  expect(error.message).toContain('401')
})
