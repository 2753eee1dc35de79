import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import { createEventBus, type EventBus } from '#kernel/events/bus.ts'
import type { SocketLimits } from '#kernel/http/socket-connection.ts'
import { Tickets } from '#kernel/http/tickets.ts'
import type { Topic } from '#kernel/http/topics.ts'
import { createEventSockets, type EventSockets } from '#kernel/http/websocket.ts'
import { openWritable } from '#kernel/store/database.ts'
import { eventsMigration } from '#kernel/store/migrations/0020-events.ts'
import { type HttpKernel, sendRaw, startHttpKernel, testKey } from '../support/http-kernel.ts'

interface Frame extends Record<string, unknown> {
  type: string
}

let directory: string
let kernel: HttpKernel
let bus: EventBus
let sockets: EventSockets
let tickets: Tickets
let clients: Client[] = []
let closers: (() => void | Promise<void>)[] = []
const state = { sessions: 0, snapshots: 0, fail: false }

const topics: Record<string, Topic> = {
  sessions: {
    on: ['session_created'],
    snapshot: async () => {
      state.snapshots += 1
      if (state.fail) throw new Error('no snapshot today')
      return { count: state.sessions }
    },
  },
  skills: { on: [], snapshot: async () => [] },
}

/** A client that keeps every frame it was sent. */
class Client {
  readonly frames: Frame[] = []
  readonly socket: WebSocket
  readonly closed: Promise<{ code: number; reason: string }>
  readonly #waiting = new Set<() => void>()

  constructor(path: string, options: ClientOptions = {}) {
    this.socket = new WebSocket(`ws://127.0.0.1:${kernel.port}${path}`, options)
    this.socket.on('message', (data) => {
      this.frames.push(JSON.parse(data.toString()))
      for (const check of this.#waiting) check()
    })
    this.socket.on('error', () => {})
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }))
    })
    clients.push(this)
  }

  /** The first frame that fits, now or later. */
  async frame(fits: (frame: Frame) => boolean, timeoutMs = 10_000): Promise<Frame> {
    const found = Promise.withResolvers<Frame>()
    const check = () => {
      const frame = this.frames.find(fits)
      if (frame) found.resolve(frame)
    }
    const timer = setTimeout(() => found.reject(new Error(`no such frame in ${timeoutMs} ms`)), timeoutMs)
    this.#waiting.add(check)
    check()
    return found.promise.finally(() => {
      clearTimeout(timer)
      this.#waiting.delete(check)
    })
  }

  ofType(type: string): Promise<Frame> {
    return this.frame((frame) => frame.type === type)
  }

  seqs(): number[] {
    return this.frames.filter(({ type }) => type !== 'connected').map(({ seq }) => seq as number)
  }
}

async function start(limits: Partial<SocketLimits> = {}) {
  const db = openWritable(join(directory, 'keel.db'), 'normal')
  closers.push(() => void db.close())
  const log = pino({ enabled: false })
  bus = createEventBus({ db, log })
  closers.push(() => bus.close())
  tickets = new Tickets()
  kernel = await startHttpKernel(
    {},
    {},
    {
      upgrade: ({ gate, origins }) => {
        sockets = createEventSockets({ bus, gate, origins, tickets, topics, version: '1.2.3', log, limits })
        return sockets.upgrade
      },
    },
  )
  closers.push(async () => {
    await sockets.close()
    await kernel.close()
  })
}

beforeEach(() => {
  Object.assign(state, { sessions: 0, snapshots: 0, fail: false })
  directory = mkdtempSync(join(tmpdir(), 'keel-ws-'))
  const db = openWritable(join(directory, 'keel.db'), 'normal')
  eventsMigration.up(db)
  db.close()
})

afterEach(async () => {
  for (const { socket } of clients) socket.terminate()
  clients = []
  for (const close of closers.reverse()) await close()
  closers = []
  rmSync(directory, { recursive: true })
})

const withKey = { headers: { 'x-api-key': testKey } }
const publish = (agent_id = 'a') => bus.publish('agent_started', { agent_id })

async function connectClient(path = '/ws', options: ClientOptions = withKey): Promise<Client> {
  const client = new Client(path, options)
  await client.ofType('connected')
  return client
}

/** The HTTP answer to an upgrade that is refused. */
function upgrade(path: string, headers: Record<string, string> = {}) {
  const all = {
    Host: `127.0.0.1:${kernel.port}`,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return sendRaw(kernel.port, `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
}

describe('the door', () => {
  beforeEach(() => start())

  test.each([
    ['no key', '/ws', {}, 401, 'Valid API key or ticket required'],
    ['a wrong key', '/ws', { 'x-api-key': 'wrong' }, 401, 'Valid API key or ticket required'],
    ['the key in the query', `/ws?api_key=${testKey}`, {}, 401, 'Valid API key or ticket required'],
    ['a made-up ticket', `/ws?ticket=wst_${'0'.repeat(64)}`, {}, 401, 'Valid API key or ticket required'],
    ['a foreign page', '/ws', { 'x-api-key': testKey, Origin: 'https://evil.example' }, 403, 'origin: is not allowed'],
    ['a page without an origin', '/ws', { 'x-api-key': testKey, Origin: 'null' }, 403, 'origin: is not allowed'],
    ['a foreign host', '/ws', { 'x-api-key': testKey, Host: 'evil.example' }, 421, 'This host name is not served here'],
    ['another path', '/wsx', { 'x-api-key': testKey }, 404, 'not found'],
    ['a bad position', '/ws?since=-1', { 'x-api-key': testKey }, 400, 'since: must be a sequence number'],
  ])('%s is refused before there is a WebSocket', async (_, path, headers, status, text) => {
    const answer = await upgrade(path, headers)
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer).toContain('x-content-type-options: nosniff')
    expect(answer.split('\r\n\r\n')[1]).toBe(text)
    expect(sockets.count).toBe(0)
  })

  test('the first frame says where the events stand', async () => {
    publish()
    const { frames } = await connectClient()
    expect(frames[0]).toEqual({ type: 'connected', version: '1.2.3', timestamp: expect.any(String), ...bus.position })
    expect(frames[0]).toMatchObject({ seq: 1 })
  })

  test('a ticket opens one WebSocket, also for a page of its own', async () => {
    const { ticket } = tickets.issue()
    await connectClient(`/ws?ticket=${ticket}`, { origin: `http://localhost:${kernel.port}` })
    expect(await upgrade(`/ws?ticket=${ticket}`)).toMatch(/^HTTP\/1\.1 401 /)
  })

  test('upgrades count as requests', async () => {
    kernel.settings.perActor = 1
    await connectClient()
    expect(await upgrade('/ws', { 'x-api-key': testKey })).toMatch(/^HTTP\/1\.1 429 [\s\S]*retry-after: \d+/)
  })
})

describe('client texts', () => {
  beforeEach(() => start())

  test.each(['ping', '{"type":"anything"}', '[1]', '{"type":"subscribed"}', 'x'.repeat(4_096)])(
    '%.20s is acknowledged',
    async (text) => {
      const client = await connectClient()
      client.socket.send(text)
      expect(await client.ofType('ack')).toEqual({ type: 'ack' })
    },
  )

  test.each([
    ['over 4096 bytes', () => 'x'.repeat(4_097), 1009],
    ['binary', () => Buffer.from([1]), 1003],
    ['over the payload limit', () => 'x'.repeat(70_000), 1009],
  ])('%s closes the connection', async (_, text, code) => {
    const client = await connectClient()
    client.socket.send(text())
    expect(await client.closed).toMatchObject({ code })
  })

  test('fragments count together', async () => {
    const client = await connectClient()
    for (let i = 0; i < 5; i++) client.socket.send('x'.repeat(20_000), { fin: false })
    expect(await client.closed).toMatchObject({ code: 1009 })
  })
})

describe('events', () => {
  beforeEach(() => start())

  test('each event reaches every client, flat and redacted', async () => {
    const both = [await connectClient(), await connectClient()]
    publish('sk-abcdefgh12345678')
    for (const client of both) {
      expect(await client.ofType('agent_started')).toEqual({
        type: 'agent_started',
        seq: 1,
        epoch: bus.position.epoch,
        timestamp: expect.any(String),
        agent_id: 'sk-***',
      })
    }
  })

  test('resuming gives every event once and in order, while more are published', async () => {
    for (let i = 0; i < 3_000; i++) publish()
    let isOver = false
    const publishing = (async () => {
      while (!isOver) {
        for (let i = 0; i < 5; i++) publish()
        await nextTurn()
      }
    })()
    const { epoch } = bus.position
    const connecting = [0, 10, 1_500, 2_999].map(async (since) => ({
      since,
      client: await connectClient(`/ws?since=${since}&epoch=${epoch}`),
    }))
    const resumed = await Promise.all(connecting)
    const connectedAt = bus.position.seq
    expect(connectedAt).toBeGreaterThan(3_000)
    await expect.poll(() => bus.position.seq).toBeGreaterThan(connectedAt + 500)
    isOver = true
    await publishing
    const last = bus.position.seq
    for (const { since, client } of resumed) {
      await client.frame(({ seq, type }) => seq === last && type !== 'connected')
      expect(client.seqs()).toEqual(Array.from({ length: last - since }, (_, i) => since + 1 + i))
    }
  })

  test('after a restart a client resumes from the store', async () => {
    for (let i = 0; i < 1_200; i++) publish()
    const { epoch } = bus.position
    for (const close of closers.reverse()) await close()
    closers = []
    await start()
    publish()
    const client = await connectClient(`/ws?since=100&epoch=${epoch}`)
    await client.frame(({ seq, type }) => seq === 1_201 && type !== 'connected')
    expect(client.seqs()).toEqual(Array.from({ length: 1_101 }, (_, i) => 101 + i))
  })

  test('a position of another epoch is answered with a gap, and live events follow', async () => {
    publish()
    publish()
    const client = await connectClient('/ws?since=1&epoch=other')
    expect(await client.ofType('gap')).toMatchObject({ from: 1, to: 2 })
    publish()
    expect(await client.ofType('agent_started')).toMatchObject({ seq: 3 })
  })
})

describe('topics', () => {
  beforeEach(() => start())

  const subscribe = (client: Client, names: string[], type = 'subscribe') =>
    client.socket.send(JSON.stringify({ type, topics: names }))
  const changed = () => {
    state.sessions += 1
    const at = new Date().toISOString()
    bus.publish('session_created', {
      session_id: 's',
      agent_id: 'a',
      scope_key: 'agent',
      nickname: null,
      status: 'active',
      updated_at: at,
    })
  }

  test('a snapshot for each topic, then changes together, until it is enough', async () => {
    const client = await connectClient()
    subscribe(client, ['sessions', 'skills', 'nonsense', '__proto__'])
    expect(await client.ofType('subscribed')).toEqual({
      type: 'subscribed',
      topics: ['sessions', 'skills'],
      error: 'unknown topics: nonsense, __proto__',
    })
    expect(client.frames.map(({ type }) => type)).toEqual([
      'connected',
      'sessions.snapshot',
      'skills.snapshot',
      'subscribed',
    ])
    expect(client.frames[1]).toMatchObject({ data: { count: 0 }, timestamp: expect.any(String) })

    for (let i = 0; i < 5; i++) changed()
    expect(await client.ofType('sessions.changed')).toMatchObject({ data: { count: 5 } })
    expect(state.snapshots).toBe(2)

    subscribe(client, ['sessions'], 'unsubscribe')
    await client.ofType('unsubscribed')
    const other = await connectClient()
    subscribe(other, ['sessions'])
    await other.ofType('subscribed')
    changed()
    await other.ofType('sessions.changed')
    expect(client.frames.filter(({ type }) => type === 'sessions.changed')).toHaveLength(1)
  })

  test('a snapshot that fails is said, and the connection stays', async () => {
    const client = await connectClient()
    state.fail = true
    subscribe(client, ['sessions'])
    expect(await client.ofType('subscribed')).toMatchObject({ error: 'sessions is unavailable at the moment' })
    state.fail = false
    changed()
    expect(await client.ofType('sessions.changed')).toMatchObject({ data: { count: 1 } })
  })

  test('a list that is none is refused by its name', async () => {
    const client = await connectClient()
    client.socket.send('{"type":"subscribe","topics":"sessions"}')
    expect(await client.ofType('subscribed')).toMatchObject({ topics: [], error: expect.stringMatching(/^topics: /) })
  })
})

describe('connections', () => {
  test('a client that never reads is closed with 1013 while the others go on, and it can resume', async () => {
    await start({ maxBufferedBytes: 1024 * 1024 })
    const [slow, quick] = [await connectClient(), await connectClient()]
    slow.socket.pause()
    const filler = 'x'.repeat(16 * 1024)
    for (let seq = 1; seq <= 1_000; seq++) {
      publish(filler)
      await quick.frame((frame) => frame.seq === seq && frame.type !== 'connected')
    }
    slow.socket.resume()
    expect(await slow.closed).toEqual({ code: 1013, reason: 'slow consumer' })
    const last = Math.max(...slow.seqs())
    expect(last).toBeLessThan(bus.position.seq)
    const resumed = await connectClient(`/ws?since=${last}&epoch=${bus.position.epoch}`)
    await resumed.frame(({ seq, type }) => seq === bus.position.seq && type !== 'connected')
    expect([...slow.seqs(), ...resumed.seqs()]).toEqual(quick.seqs())
  })

  test('a client that takes nothing for too long is closed, and cut when even that does not get through', async () => {
    await start({ maxStallMs: 200, closeGraceMs: 200 })
    const slow = await connectClient()
    slow.socket.pause()
    while (sockets.count > 0 && bus.position.seq < 200) {
      publish('x'.repeat(64 * 1024))
      await nextTurn()
    }
    await expect.poll(() => sockets.count, { timeout: 5_000 }).toBe(0)
  })

  test('two pings without an answer end the connection', async () => {
    await start({ pingEveryMs: 50 })
    const answering = await connectClient()
    const silent = connect(kernel.port, '127.0.0.1')
    silent.write(
      `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${kernel.port}\r\nx-api-key: ${testKey}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    silent.resume()
    await once(silent, 'close')
    await expect.poll(() => sockets.count).toBe(1)
    expect(answering.socket.readyState).toBe(WebSocket.OPEN)
  })

  test('there is a bound on their number, and a place is free again when one goes', async () => {
    await start({ maxSockets: 1 })
    const first = await connectClient()
    const refused = await upgrade('/ws', { 'x-api-key': testKey })
    expect(refused).toMatch(/^HTTP\/1\.1 503 [\s\S]*retry-after: 5\r\n/)
    first.socket.close()
    await expect.poll(() => sockets.count).toBe(0)
    await connectClient()
  })

  test('all are ended when the key changes, and with 1001 at the end', async () => {
    await start()
    const first = await connectClient()
    sockets.closeAll(1008, 'the key has changed')
    expect(await first.closed).toEqual({ code: 1008, reason: 'the key has changed' })
    const second = await connectClient()
    await sockets.close()
    expect(await second.closed).toEqual({ code: 1001, reason: 'going away' })
  })
})
