import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import {
  anthropicProtocol,
  embeddingsAnswer,
  googleProtocol,
  modelsAnswer,
  openaiProtocol,
  type UpstreamProtocol,
} from './upstream-protocols.ts'
import { resolveReply, type UpstreamReply } from './upstream-reply.ts'

export interface UpstreamRequest {
  method: string
  /** With the query. */
  path: string
  headers: IncomingHttpHeaders
  /** The parsed JSON body; an empty object when there is none. */
  body: Record<string, unknown>
  /** Settles when the exchange is over: `aborted` when the client went away before the end. */
  ended: Promise<'complete' | 'aborted'>
}

/** One reply for all requests, replies for the next requests in order (then the default), or a function of the request. */
export type UpstreamScript = UpstreamReply | UpstreamReply[] | ((request: UpstreamRequest) => UpstreamReply)

export interface Upstream {
  /** `http://127.0.0.1:PORT`, without `/v1`. */
  url: string
  /** Requests for an answer or for embeddings, oldest first; lists of models are not among them. */
  requests: UpstreamRequest[]
  /** Requests for the list of models. */
  listRequests: UpstreamRequest[]
  /** Says what comes from now on. */
  script(next: UpstreamScript): void
  /** Settles when at least `count` requests have arrived. */
  received(count: number, timeoutMs?: number): Promise<void>
  close(): Promise<void>
}

export interface UpstreamOptions {
  /** To come back on the port of one that was closed. */
  port?: number
  /** The names it lists, or what it answers when asked for them. */
  models?: string[] | UpstreamReply
}

/** Older requests are forgotten past this many, so that a bench may run for long. */
const maxRequestsKept = 5_000

/**
 * An upstream on loopback that speaks OpenAI's protocol (also for Ollama), Anthropic's and Google's, told apart by the
 * path. Streams when the request asks for it.
 */
export async function startUpstream(script: UpstreamScript = {}, options: UpstreamOptions = {}): Promise<Upstream> {
  let current = script
  const requests: UpstreamRequest[] = []
  const listRequests: UpstreamRequest[] = []
  const waiting = new Set<() => void>()
  const closing = new AbortController()
  let count = 0

  function next(request: UpstreamRequest): UpstreamReply {
    if (typeof current === 'function') return current(request)
    return Array.isArray(current) ? (current.shift() ?? {}) : current
  }

  const server = createServer((message, response) => {
    answer(message, response).catch((thrown: unknown) => {
      if (!closing.signal.aborted && !response.destroyed) response.destroy(thrown instanceof Error ? thrown : undefined)
    })
  })

  async function answer(message: IncomingMessage, response: ServerResponse) {
    const path = message.url ?? '/'
    const pathname = path.split('?')[0] ?? path
    const request: UpstreamRequest = {
      method: message.method ?? 'POST',
      path,
      headers: message.headers,
      body: await readJson(message),
      ended: once(response, 'close').then(() => (response.writableFinished ? 'complete' : 'aborted')),
    }
    if (message.method === 'GET') {
      listRequests.push(request)
      const { models = ['test-model', 'test-small'] } = options
      const reply = Array.isArray(models) ? { body: modelsAnswer(pathname, models) } : models
      await perform(reply, request, pathname, response, closing.signal)
      return
    }
    requests.push(request)
    if (requests.length > maxRequestsKept) requests.splice(0, maxRequestsKept / 2)
    count += 1
    for (const wake of waiting) wake()
    await perform(next(request), request, pathname, response, closing.signal)
  }

  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    listRequests,
    script(replacement) {
      current = replacement
    },
    async received(wanted, timeoutMs = 5_000) {
      const signal = AbortSignal.timeout(timeoutMs)
      while (count < wanted) {
        await new Promise<void>((resolve, reject) => {
          const wake = () => {
            waiting.delete(wake)
            resolve()
          }
          waiting.add(wake)
          signal.addEventListener('abort', () => reject(new Error(`${count} of ${wanted} requests arrived`)), {
            once: true,
          })
        })
      }
    },
    async close() {
      closing.abort()
      server.closeAllConnections()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
  }
}

/** The address of a port on loopback where nobody listens. */
export async function closedUpstreamUrl(): Promise<string> {
  const upstream = await startUpstream()
  await upstream.close()
  return upstream.url
}

function protocolOf(pathname: string): UpstreamProtocol {
  if (pathname.endsWith('/messages')) return anthropicProtocol
  if (/:(streamG|g)enerateContent$/.test(pathname)) return googleProtocol
  return openaiProtocol
}

async function perform(
  reply: UpstreamReply,
  request: UpstreamRequest,
  pathname: string,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const protocol = protocolOf(pathname)
  const streams = request.body.stream === true || pathname.endsWith(':streamGenerateContent')
  if (reply.raw && response.socket) return reply.raw(response.socket, { streams, path: pathname })
  await reply.until
  if (reply.delayMs) await delay(reply.delayMs, undefined, { signal })
  const early = !reply.afterChunks && (!streams || reply.fault === 'hang' || reply.fault === 'reset')
  if (early && reply.fault === 'hang') return
  if (early && reply.fault === 'reset') {
    response.socket?.resetAndDestroy()
    return
  }
  if (reply.body !== undefined) {
    sendJson(response, reply.status ?? 200, reply.body, reply.headers)
  } else if (reply.status !== undefined && reply.status >= 400) {
    sendJson(response, reply.status, protocol.error(reply.status, reply.error ?? {}), reply.headers)
  } else if (/\/(embeddings|embed)$|:batchEmbedContents$/.test(pathname)) {
    sendJson(response, 200, embeddingsAnswer(pathname, request.body, reply.embeddings))
  } else if (streams) {
    await stream(reply, request, pathname, protocol, response, signal)
  } else if (reply.fault === 'garbage') {
    sendJson(response, 200, '{"choices": [{"mess', reply.headers)
  } else {
    sendJson(response, 200, protocol.whole(resolveReply(reply), modelOf(request, pathname)), reply.headers)
  }
}

async function stream(
  reply: UpstreamReply,
  request: UpstreamRequest,
  pathname: string,
  protocol: UpstreamProtocol,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const model = modelOf(request, pathname)
  const resolved = resolveReply(reply)
  const { stream_options: streamOptions } = request.body
  const withUsage = typeof streamOptions === 'object' && streamOptions !== null && 'include_usage' in streamOptions
  const write = (text: string) => send(response, text, reply.sliceBytes, signal)

  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', ...reply.headers })
  response.flushHeaders()
  const pieces = reply.fault ? resolved.pieces.slice(0, reply.afterChunks ?? 0) : resolved.pieces
  if (!reply.fault || reply.afterChunks) for (const event of protocol.opening(resolved, model)) await write(event)
  for (const piece of pieces) {
    if (reply.chunkDelayMs) await delay(reply.chunkDelayMs, undefined, { signal })
    await write(protocol.piece(piece, model, resolved))
  }
  switch (reply.fault) {
    case undefined:
      for (const event of protocol.closing(resolved, model, withUsage)) await write(event)
      response.end()
      return
    case 'hang':
      return
    case 'reset':
      await new Promise((resolve) => setImmediate(resolve))
      response.socket?.resetAndDestroy()
      return
    case 'truncate':
      response.end()
      return
    case 'garbage':
      await write('data: {"choices": [{"del\n\n')
      response.end()
      return
    case 'error_event':
      await write(protocol.errorEvent(reply.error ?? {}))
      response.end()
  }
}

/** Sliced bytes leave one by one with a pause, so that they arrive as separate reads. */
async function send(response: ServerResponse, text: string, sliceBytes: number | undefined, signal: AbortSignal) {
  if (!sliceBytes) {
    if (!response.write(text)) await once(response, 'drain', { signal })
    return
  }
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += sliceBytes) {
    response.write(bytes.subarray(at, at + sliceBytes))
    await delay(1, undefined, { signal })
  }
}

function modelOf(request: UpstreamRequest, pathname: string): string {
  if (typeof request.body.model === 'string') return request.body.model
  return /\/models\/(.+):/.exec(pathname)?.[1] ?? 'test-model'
}

function sendJson(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(text)
}

async function readJson(message: IncomingMessage): Promise<Record<string, unknown>> {
  const parts: Buffer[] = []
  for await (const part of message) parts.push(part)
  const text = Buffer.concat(parts).toString()
  return text === '' ? {} : JSON.parse(text)
}
