import type { IncomingMessage, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { RuntimeError } from '#sdk/errors.ts'
import type { RequestListener } from './mount.ts'
import { createServer, STATUS_CODES } from './node-http.ts'
import { rawJsonAnswer } from './raw-answer.ts'

const maxHeaderBytes = 16 * 1024
/** For the whole request to arrive; an answer may take as long as it wants. */
const requestTimeoutMs = 30_000
const headersTimeoutMs = 10_000
const keepAliveTimeoutMs = 15_000
const timeoutCheckMs = 2_000
const maxConnections = 4_096
/** Connections that may wait to be accepted; while one kernel hands over to the next, all of them do. */
const backlog = 1_024
const idleSweepMs = 25
/** How long a new connection may take to say what it wants once no others are accepted. */
const silentMs = 250
const settleCheckMs = 5
/** A client that asks again on its connection learns within this time that it should open a new one. */
const windDownMs = 500

/** The exit code for a port that is taken. */
export const portTakenExitCode = 2

export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** A listening socket as Node passes it between processes. One that was received accepts nobody until a server listens on it. */
export interface ListenHandle {
  readonly fd: number
  close(): void
}

export type ListenTarget = { host: string; port: number } | { handle: ListenHandle }

export interface HttpServer {
  /** Settles once connections are accepted. A taken port is `unavailable` with `exit_code` 2. */
  listen(target: ListenTarget): Promise<{ url: string; port: number }>
  /** The port listened on; 0 before that. */
  readonly port: number
  /** The listening socket, for a successor; undefined where there is none. */
  readonly handle: ListenHandle | undefined
  /**
   * From here on each answer ends its connection. Settles when what is under way now has been answered, after `graceMs`
   * at the latest; new requests are served meanwhile.
   */
  windDown(graceMs: number): Promise<void>
  /** Accepts nobody any more. Settles when each request has been answered or is older than `requestMs`. */
  stopAccepting(requestMs: number): Promise<void>
  /** Stops accepting (close the WebSockets first), lets running requests finish for at most `graceMs`, then ends every connection. */
  close(graceMs: number): Promise<void>
}

export interface HttpServerOptions {
  handle: RequestListener
  /** Takes WebSocket upgrades. */
  upgrade: UpgradeListener
}

export function createHttpServer({ handle, upgrade }: HttpServerOptions): HttpServer {
  const sockets = new Set<Socket>()
  const answering = new WeakMap<Duplex, ServerResponse>()
  /** When each request under way began, and each connection that has not asked for anything yet. */
  const requests = new Map<ServerResponse, number>()
  const silent = new Map<Socket, number>()
  let closing = false
  let closed: Promise<void> | undefined
  let port = 0

  const server = createServer(
    {
      maxHeaderSize: maxHeaderBytes,
      requestTimeout: requestTimeoutMs,
      headersTimeout: headersTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      connectionsCheckingInterval: timeoutCheckMs,
      // Other upgrades, such as to h2c, are optional: the request is answered as it stands.
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
    },
    (request, response) => {
      answering.set(request.socket, response)
      silent.delete(request.socket)
      requests.set(response, performance.now())
      response.once('close', () => requests.delete(response))
      if (closing) response.setHeader('connection', 'close')
      handle(request, response)
    },
  )
  server.maxConnections = maxConnections
  server.on('connection', (socket) => {
    sockets.add(socket)
    silent.set(socket, performance.now())
    socket.once('close', () => {
      sockets.delete(socket)
      silent.delete(socket)
    })
  })
  server.on('upgrade', (request, socket, head) => {
    silent.delete(request.socket)
    upgrade(request, socket, head)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const response = answering.get(socket)
    const isMidAnswer = response?.headersSent && !response.writableFinished
    if (!socket.writable || error.code === 'ECONNRESET' || isMidAnswer) socket.destroy()
    else socket.end(answerFor(error))
  })

  const isYounger = (began: number, ms: number) => performance.now() - began < ms
  const expectsFirstRequest = () => silent.values().some((began) => isYounger(began, silentMs))

  function stop(): Promise<void> {
    closing = true
    closed ??= new Promise<void>((resolve) => {
      // To Node a connection that was just accepted is idle too; its request may be on the way.
      const closeIdle = () => expectsFirstRequest() || server.closeIdleConnections()
      const sweep = setInterval(closeIdle, idleSweepMs)
      NetServer.prototype.close.call(server, () => {
        clearInterval(sweep)
        server.close()
        resolve()
      })
      closeIdle()
    })
    return closed
  }

  async function until(isSo: () => boolean, deadline = Number.POSITIVE_INFINITY): Promise<void> {
    while (!isSo() && performance.now() < deadline) await delay(settleCheckMs)
  }

  return {
    get port() {
      return port
    },

    get handle() {
      return handleOf(server)
    },

    async windDown(graceMs) {
      closing = true
      const earlier = [...requests.keys()]
      for (const response of earlier) if (!response.headersSent) response.setHeader('connection', 'close')
      await until(() => !earlier.some((response) => requests.has(response)), performance.now() + graceMs)
      // Also for those whose answer had begun without telling them.
      await delay(Math.min(windDownMs, graceMs))
    },

    async stopAccepting(requestMs) {
      void stop()
      await until(() => !expectsFirstRequest() && !requests.values().some((began) => isYounger(began, requestMs)))
    },

    async listen(target) {
      await new Promise<void>((resolve, reject) => {
        const onError = (error: NodeJS.ErrnoException) => reject(listenError(error, target))
        const onListening = () => {
          server.off('error', onError)
          resolve()
        }
        server.once('error', onError)
        if ('handle' in target) server.listen(target.handle, backlog, onListening)
        else server.listen({ ...target, backlog }, onListening)
      })
      const address = server.address()
      if (typeof address !== 'object' || address === null)
        throw new RuntimeError('internal', 'The server has no address')
      port = address.port
      const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
      return { url: `http://${host}:${port}`, port }
    },

    async close(graceMs) {
      const stopped = stop()
      const deadline = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, graceMs)
      await stopped
      clearTimeout(deadline)
    },
  }
}

/** Node has no other way to the socket itself. */
function handleOf(server: object): ListenHandle | undefined {
  const handle: unknown = '_handle' in server ? server._handle : undefined
  const isOpen = typeof handle === 'object' && handle !== null && 'fd' in handle && Number(handle.fd) >= 0
  return isOpen ? (handle as ListenHandle) : undefined
}

function answerFor({ code }: NodeJS.ErrnoException): string {
  if (code === 'HPE_HEADER_OVERFLOW')
    return rawJsonAnswer(431, { error: `the head is larger than ${maxHeaderBytes} bytes` })
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return rawJsonAnswer(408, { error: 'the request took too long to arrive' })
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return rawJsonAnswer(413, { error: 'chunk extensions are too large' })
  return rawJsonAnswer(400, { error: STATUS_CODES[400]?.toLowerCase() })
}

function listenError(error: NodeJS.ErrnoException, target: ListenTarget): RuntimeError {
  const place = 'handle' in target ? 'the inherited socket' : `${target.host}:${target.port}`
  const isTaken = error.code === 'EADDRINUSE'
  const message = isTaken
    ? `${place} is already in use: stop the other process or set KEEL_PORT`
    : `Can not listen on ${place}: ${error.code ?? error.message}`
  return new RuntimeError('unavailable', message, { exit_code: isTaken ? portTakenExitCode : 1 }, { cause: error })
}
