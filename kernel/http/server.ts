import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { RuntimeError } from '#sdk/errors.ts'
import type { RequestListener } from './mount.ts'
import { rawJsonAnswer } from './raw-answer.ts'

const maxHeaderBytes = 16 * 1024
/** For the whole request to arrive; an answer may take as long as it wants. */
const requestTimeoutMs = 30_000
const headersTimeoutMs = 10_000
const keepAliveTimeoutMs = 15_000
const timeoutCheckMs = 2_000
const maxConnections = 4_096
const idleSweepMs = 25

/** The exit code for a port that is taken. */
export const portTakenExitCode = 2

export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

export type ListenTarget = { host: string; port: number } | { fd: number }

export interface HttpServer {
  /** Settles once connections are accepted. A taken port is `unavailable` with `exit_code` 2. */
  listen(target: ListenTarget): Promise<{ url: string; port: number }>
  /** The port listened on; 0 before that. */
  readonly port: number
  /** The descriptor of the listening socket, for a successor to inherit; undefined where there is none. */
  readonly descriptor: number | undefined
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
  let closing = false
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
      if (closing) response.setHeader('connection', 'close')
      handle(request, response)
    },
  )
  server.maxConnections = maxConnections
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('upgrade', upgrade)
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const response = answering.get(socket)
    const isMidAnswer = response?.headersSent && !response.writableFinished
    if (!socket.writable || error.code === 'ECONNRESET' || isMidAnswer) socket.destroy()
    else socket.end(answerFor(error))
  })

  return {
    get port() {
      return port
    },

    get descriptor() {
      return descriptorOf(server)
    },

    async listen(target) {
      await new Promise<void>((resolve, reject) => {
        const onError = (error: NodeJS.ErrnoException) => reject(listenError(error, target))
        server.once('error', onError)
        server.listen(target, () => {
          server.off('error', onError)
          resolve()
        })
      })
      const address = server.address()
      if (typeof address !== 'object' || address === null)
        throw new RuntimeError('internal', 'The server has no address')
      port = address.port
      const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
      return { url: `http://${host}:${port}`, port }
    },

    async close(graceMs) {
      closing = true
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      // A connection that falls idle after close() began would otherwise wait for its next request.
      const sweep = setInterval(() => server.closeIdleConnections(), idleSweepMs)
      const deadline = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, graceMs)
      await closed
      clearInterval(sweep)
      clearTimeout(deadline)
    },
  }
}

/** Node keeps the descriptor on an inner handle, and has no other way to it. */
function descriptorOf(server: object): number | undefined {
  const handle: unknown = '_handle' in server ? server._handle : undefined
  const isHandle = typeof handle === 'object' && handle !== null && 'fd' in handle
  return isHandle && typeof handle.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined
}

function answerFor({ code }: NodeJS.ErrnoException): string {
  if (code === 'HPE_HEADER_OVERFLOW')
    return rawJsonAnswer(431, { error: `the head is larger than ${maxHeaderBytes} bytes` })
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return rawJsonAnswer(408, { error: 'the request took too long to arrive' })
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return rawJsonAnswer(413, { error: 'chunk extensions are too large' })
  return rawJsonAnswer(400, { error: STATUS_CODES[400]?.toLowerCase() })
}

function listenError(error: NodeJS.ErrnoException, target: ListenTarget): RuntimeError {
  const place = 'fd' in target ? `descriptor ${target.fd}` : `${target.host}:${target.port}`
  const isTaken = error.code === 'EADDRINUSE'
  const message = isTaken
    ? `${place} is already in use: stop the other process or set KEEL_PORT`
    : `Can not listen on ${place}: ${error.code ?? error.message}`
  return new RuntimeError('unavailable', message, { exit_code: isTaken ? portTakenExitCode : 1 }, { cause: error })
}
