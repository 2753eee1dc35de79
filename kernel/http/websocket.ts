import type { IncomingMessage } from 'node:http'
import { parse as parseQuery } from 'node:querystring'
import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { EventBus } from '#kernel/events/bus.ts'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import { pathOf } from './answer.ts'
import type { Gate } from './gate.ts'
import type { OriginPolicy } from './origin.ts'
import { problemOf } from './problem.ts'
import { rawAnswer } from './raw-answer.ts'
import type { UpgradeListener } from './server.ts'
import { SocketConnection, type SocketLimits, socketLimits } from './socket-connection.ts'
import type { Tickets } from './tickets.ts'
import { type SocketTalk, type Topic, TopicHub } from './topics.ts'

const socketPath = '/ws'
/** A message may arrive in fragments up to here; what is longer than a client text ends the connection anyhow. */
const maxPayloadBytes = 64 * 1024
const maxClientTextBytes = 4_096
/** Questions that one client may have open. */
const maxOpenQuestions = 16
const readerCheckMs = 1_000
const fullRetrySeconds = 5
const plainText = 'text/plain; charset=utf-8'

export interface EventSocketsOptions {
  bus: Pick<EventBus, 'position' | 'since' | 'subscribe'>
  gate: Gate
  origins: OriginPolicy
  tickets: Tickets
  topics: Readonly<Record<string, Topic>>
  /** What else clients may say. */
  talks?: readonly SocketTalk[]
  version: string
  log: Logger
  limits?: Partial<SocketLimits>
}

/** The `/ws` door. */
export interface EventSockets {
  /** Takes an upgrade of the HTTP server. */
  upgrade: UpgradeListener
  readonly count: number
  /** Ends every connection, for example when the key has changed. */
  closeAll(code: number, reason: string): void
  /** Ends everything, with 1001 unless told, and settles when the connections are gone; a silent peer is cut off in the end. */
  close(goodbye?: { code: number; reason: string; graceMs: number }): Promise<void>
}

/** Where a client wants to go on. */
interface Resume {
  since: number
  epoch?: string
}

export function createEventSockets(options: EventSocketsOptions): EventSockets {
  const { bus, gate, origins, tickets, version, log } = options
  const limits = { ...socketLimits, ...options.limits }
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: maxPayloadBytes,
    perMessageDeflate: false,
    clientTracking: false,
  })
  const hub = new TopicHub(options.topics, log)
  const talks: readonly SocketTalk[] = [hub, ...(options.talks ?? [])]
  const connections = new Set<SocketConnection>()
  /** Those that have everything up to now and get each event as it comes. */
  const live = new Set<SocketConnection>()
  let emptied = () => {}

  const stopListening = bus.subscribe(({ type, text }) => {
    hub.onEvent(type)
    if (live.size === 0) return
    const frame = Buffer.from(text)
    for (const connection of live) connection.send(frame)
  })
  const readerCheck = setInterval(() => {
    for (const connection of connections) connection.checkReader()
  }, readerCheckMs)
  const heartbeat = setInterval(() => {
    for (const connection of connections) connection.ping()
  }, limits.pingEveryMs)

  /** Throws when the upgrade is refused. */
  function admit(request: IncomingMessage): Resume | undefined {
    origins.checkHost(request)
    origins.checkPage(request)
    const query = parseQuery(request.url?.split('?')[1] ?? '', '&', '=', { maxKeys: 8 })
    const hasTicket = typeof query.ticket === 'string' && tickets.redeem(query.ticket)
    gate.admit(request, { isPublic: false, isCounted: true, hasTicket })
    if (pathOf(request) !== socketPath) throw new RuntimeError('not_found', 'not found')
    if (connections.size >= limits.maxSockets) {
      throw new RuntimeError('unavailable', 'too many WebSocket connections', { retry_after_seconds: fullRetrySeconds })
    }
    return resumeOf(query)
  }

  function open(socket: WebSocket, resume: Resume | undefined) {
    const connection = new SocketConnection(socket, limits)
    connections.add(connection)
    let openQuestions = 0
    let questions = Promise.resolve()

    socket.on('error', (error) => log.debug({ err: error }, 'WebSocket error'))
    socket.on('close', () => {
      connections.delete(connection)
      live.delete(connection)
      for (const talk of talks) talk.forget(connection)
      if (connections.size === 0) emptied()
    })
    socket.on('message', (data, isBinary) => {
      connection.heard()
      if (isBinary) return connection.close(1003, 'text only')
      const text = textOf(data)
      if (Buffer.byteLength(text) > maxClientTextBytes) return connection.close(1009, 'message too long')
      const talk = talks.find((candidate) => candidate.takes(text))
      if (!talk) return connection.send('{"type":"ack"}')
      if (openQuestions >= maxOpenQuestions) return connection.close(1008, 'too many questions')
      openQuestions += 1
      questions = questions
        .then(() => talk.answer(connection, text))
        .catch((thrown: unknown) => fail(connection, thrown))
        .finally(() => {
          openQuestions -= 1
        })
    })

    connection.send(JSON.stringify({ type: 'connected', version, timestamp: timestamp(), ...bus.position }))
    if (resume) replay(connection, resume).catch((thrown: unknown) => fail(connection, thrown))
    else live.add(connection)
  }

  /** Sends what was missed, page by page, and joins the live ones in the same tick in which nothing is missing. */
  async function replay(connection: SocketConnection, { since, epoch }: Resume) {
    let cursor = since
    let knownEpoch = epoch
    while (connection.isOpen) {
      const { gap, events } = bus.since(cursor, knownEpoch === undefined ? {} : { epoch: knownEpoch })
      knownEpoch = undefined
      if (gap) {
        connection.send(JSON.stringify({ type: 'gap', ...gap, timestamp: timestamp() }))
        cursor = gap.to
      } else if (events.length === 0) {
        live.add(connection)
        return
      }
      for (const { seq, text } of events) {
        connection.send(text)
        cursor = seq
        if (connection.isFull) await connection.drained()
      }
    }
  }

  function fail(connection: SocketConnection, thrown: unknown) {
    log.error({ err: thrown }, 'a WebSocket connection failed')
    connection.close(1011, 'internal error')
  }

  function closeAll(code: number, reason: string) {
    for (const connection of connections) {
      live.delete(connection)
      connection.close(code, reason)
    }
  }

  return {
    upgrade(request, socket, head) {
      socket.on('error', (error: Error) => log.debug({ err: error }, 'WebSocket upgrade failed'))
      try {
        const resume = admit(request)
        server.handleUpgrade(request, socket, head, (webSocket) => open(webSocket, resume))
      } catch (thrown) {
        refuse(socket, thrown)
      }
    },
    get count() {
      return connections.size
    },
    closeAll,
    async close({ code, reason, graceMs } = { code: 1001, reason: 'going away', graceMs: limits.closeGraceMs }) {
      stopListening()
      clearInterval(readerCheck)
      clearInterval(heartbeat)
      for (const talk of talks) talk.close()
      const gone = new Promise<void>((resolve) => {
        emptied = resolve
      })
      closeAll(code, reason)
      const cut = setTimeout(() => {
        for (const { socket } of connections) socket.terminate()
      }, graceMs)
      if (connections.size > 0) await gone
      clearTimeout(cut)
    },
  }
}

/** Refusals leave as plain HTTP, before there is a WebSocket. */
function refuse(socket: Duplex, thrown: unknown) {
  const { status, headers, body } = problemOf(thrown, 'standard')
  const text = isErrorOf(thrown, 'unauthorized')
    ? 'Valid API key or ticket required'
    : String(body.message ?? body.error)
  socket.once('finish', () => socket.destroy())
  socket.end(rawAnswer(status, text, plainText, headers))
}

function resumeOf({ since, epoch }: NodeJS.Dict<string | string[]>): Resume | undefined {
  if (since === undefined) return undefined
  if (typeof since !== 'string' || !/^\d{1,15}$/.test(since)) {
    throw new RuntimeError('invalid', 'since: must be a sequence number')
  }
  return { since: Number(since), ...(typeof epoch === 'string' && { epoch }) }
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString()
  return data instanceof ArrayBuffer ? Buffer.from(data).toString() : data.toString()
}
