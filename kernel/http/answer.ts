import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import type { ErrorStyle } from '#sdk/route.ts'
import { hasBody } from './body.ts'
import { problemOf } from './problem.ts'
import type { SseStream } from './sse.ts'

const jsonContentType = 'application/json; charset=utf-8'
/** An unread body up to this size is read away, so that the connection may serve the next request. */
const maxUnreadBytes = 64 * 1024
/** How long, and how much, is read away before a refused body's connection ends, so that the client sees the answer. */
const lingerMs = 1_000
const lingerMaxBytes = 4 * 1024 * 1024

export function sendJson(response: ServerResponse, value: unknown): void {
  if (value === undefined) {
    response.statusCode = 204
    response.end()
    return
  }
  const text = JSON.stringify(value)
  response.setHeader('content-type', jsonContentType)
  response.setHeader('content-length', Buffer.byteLength(text))
  response.end(text)
}

/** A file that holds no secret. */
export interface PublicFile {
  body: Uint8Array
  /** The whole content-type. */
  type: string
  /** Quoted, and another one whenever the body is. */
  etag: string
}

export function sendFile(request: IncomingMessage, response: ServerResponse, { body, type, etag }: PublicFile): void {
  response.setHeader('etag', etag)
  response.setHeader('cache-control', 'no-cache')
  if (request.headers['if-none-match'] === etag) {
    response.statusCode = 304
    response.end()
    return
  }
  response.setHeader('content-type', type)
  response.setHeader('content-length', body.byteLength)
  response.end(body)
}

export interface ProblemContext {
  style: ErrorStyle
  log: Logger
  /** The stream that the handler had begun. */
  stream?: SseStream | undefined
}

/** Answers with what was thrown; inside a stream, as its last event. */
export function sendProblem(
  request: IncomingMessage,
  response: ServerResponse,
  thrown: unknown,
  { style, log, stream }: ProblemContext,
): void {
  const { status, headers, body, fault } = problemOf(thrown, style)
  if (fault) {
    const request_id = response.getHeader('x-request-id')
    log.error({ err: fault, request_id, method: request.method, path: pathOf(request), status }, 'request failed')
  }
  if (response.headersSent) {
    if (!stream) {
      // An answer that was begun and can not be finished must not look whole.
      if (!response.writableEnded) response.destroy()
    } else if (style === 'anthropic') void stream.event('error', body)
    else void stream.send(body)
    stream?.breakOff()
    return
  }
  // A handler may have set up another kind of answer before it failed.
  for (const name of ['cache-control', 'content-length', 'x-accel-buffering']) response.removeHeader(name)
  response.statusCode = status
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  const text = JSON.stringify(body)
  response.setHeader('content-type', jsonContentType)
  response.setHeader('content-length', Buffer.byteLength(text))
  if (leavesMuchUnread(request)) endWithConnection(request, response, text)
  else response.end(text)
  // Ends its keep-alive timer when the handler failed before the first event.
  stream?.end()
}

export function pathOf(request: IncomingMessage): string {
  const url = request.url ?? '/'
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

function leavesMuchUnread(request: IncomingMessage): boolean {
  if (request.complete || !hasBody(request)) return false
  const length = request.headers['content-length']
  return length === undefined || Number(length) > maxUnreadBytes
}

/** Sends the answer, reads the rest away within bounds, then closes: closing over unread bytes would reset the answer. */
function endWithConnection(request: IncomingMessage, response: ServerResponse, text: string): void {
  response.setHeader('connection', 'close')
  response.write(text)
  let unread = 0
  const finish = () => {
    clearTimeout(timer)
    request.off('data', onData)
    response.end()
    response.req.socket.destroySoon()
  }
  const onData = (bytes: Buffer) => {
    unread += bytes.length
    if (unread > lingerMaxBytes) finish()
  }
  const timer = setTimeout(finish, lingerMs)
  request.on('data', onData)
  request.once('end', finish)
  request.once('close', finish)
  request.resume()
}
