import { createParser } from 'eventsource-parser'
import type { Agent, Dispatcher, request } from 'undici'
import { failureOfStatus, UpstreamFailure } from '../failure.ts'
import type { Endpoint } from './endpoint.ts'

/** The largest whole answer, in bytes. */
const maxAnswerBytes = 16 * 1024 * 1024
/** The most that is read of an error's body, in bytes. */
const maxErrorBytes = 64 * 1024
/** How long an error's body may take: its status says enough. */
const errorBodyTimeoutMs = 1_000
/** The most that a stream may send without an event, in bytes. */
const maxEventBytes = 4 * 1024 * 1024
/** What OpenAI's protocol sends after the last event. */
const endOfStream = '[DONE]'
const maxTrailingBytes = 16 * 1024
const trailingTimeoutMs = 1_000
const connectTimeoutMs = 10_000
const keepAliveMs = 30_000
const maxConnectionsPerHost = 256

let loading: Promise<{ request: typeof request; agent: Agent }> | undefined

/** Loads the HTTP client; without it a new process greets its kernel a good deal sooner. */
export function loadTransport(): Promise<{ request: typeof request; agent: Agent }> {
  loading ??= import('undici').then((undici) => ({
    request: undici.request,
    // Deadlines are the caller's, so the agent has none of its own but for connecting. It never follows redirects.
    agent: new undici.Agent({
      connections: maxConnectionsPerHost,
      connect: { timeout: connectTimeoutMs },
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: keepAliveMs,
    }),
  }))
  return loading
}

export interface UpstreamEvent {
  event: string | undefined
  data: string
}

export interface TransportWatch {
  signal: AbortSignal
  /** The provider has taken the request: it may be billed from here. */
  onAccepted?: () => void
  /** Bytes arrived. */
  onBytes?: () => void
}

/** The bytes of an answer, bounded, read once: piece by piece or whole. */
export interface UpstreamBody extends AsyncIterable<Uint8Array> {
  /** An event has come out of the pieces: the bound on its size counts anew. */
  eventRead(): void
  json(): Promise<unknown>
}

export interface UpstreamResponse {
  status: number
  headers: Dispatcher.ResponseData['headers']
  /** The answer is a stream of server-sent events; otherwise it is one JSON text. */
  streams: boolean
  body: UpstreamBody
}

/** POSTs JSON; the answer is an error's no more, as `openUpstream` has thrown it. */
export function postJson(target: Endpoint, body: unknown, watch: TransportWatch): Promise<UpstreamResponse> {
  const headers = { ...target.headers, 'content-type': 'application/json' }
  return openUpstream(target.url, { method: 'POST', headers, body: JSON.stringify(body) }, watch)
}

export async function getJson(target: Endpoint, signal: AbortSignal): Promise<unknown> {
  return (await openUpstream(target.url, { method: 'GET', headers: target.headers }, { signal })).body.json()
}

/** Sends a request. Anything but a 2xx is thrown as a failure; nothing of its body but the words for the log is kept. */
export async function openUpstream(
  url: URL,
  options: { method: Dispatcher.HttpMethod; headers: Record<string, string>; body?: string },
  watch: TransportWatch,
): Promise<UpstreamResponse> {
  const { request, agent } = await loadTransport()
  const response = await request(url, { ...options, dispatcher: agent, signal: watch.signal })
  const { statusCode: status, headers, body } = response
  // Whoever reads the body hears of its errors; one that is given up half read tells them to nobody.
  body.on('error', () => {})
  if (status < 200 || status >= 300) throw failureOfStatus(status, errorWords(await readError(body)), headers)
  watch.onAccepted?.()
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity') {
    body.destroy()
    throw new UpstreamFailure('invalid_answer', `The answer is compressed, though nobody asked for it: ${encoding}`)
  }
  const pending = { bytes: 0 }
  return {
    status,
    headers,
    streams: String(headers['content-type'] ?? '').includes('text/event-stream'),
    body: {
      json: () => readJson(body, watch),
      eventRead: () => {
        pending.bytes = 0
      },
      [Symbol.asyncIterator]: () => readPieces(body, watch, pending),
    },
  }
}

/** By events: reading a short answer by iteration takes a third of the time that the whole request takes. */
function readJson(body: Dispatcher.ResponseData['body'], watch: TransportWatch): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let size = 0
    body.on('data', (part: Buffer) => {
      watch.onBytes?.()
      parts.push(part)
      size += part.length
      if (size > maxAnswerBytes)
        body.destroy(new UpstreamFailure('too_large', `The answer is over ${maxAnswerBytes} bytes`))
    })
    body.on('error', reject)
    body.on('end', () => {
      try {
        resolve(parseJson((parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)).toString()))
      } catch (thrown) {
        reject(thrown)
      }
    })
  })
}

async function* readPieces(
  body: Dispatcher.ResponseData['body'],
  watch: TransportWatch,
  pending: { bytes: number },
): AsyncGenerator<Buffer> {
  let ended = false
  try {
    for await (const part of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      watch.onBytes?.()
      pending.bytes += part.length
      if (pending.bytes > maxEventBytes)
        throw new UpstreamFailure('too_large', `An event is over ${maxEventBytes} bytes`)
      ended = part.includes(endOfStream)
      yield part
    }
  } finally {
    // What follows the last event is read away, so that the connection can be used again.
    if (ended) body.dump({ limit: maxTrailingBytes, signal: AbortSignal.timeout(trailingTimeoutMs) }).catch(() => {})
    else body.destroy()
  }
}

/** The events of a stream, up to the word that ends it. */
export async function* readEvents(body: UpstreamBody): AsyncGenerator<UpstreamEvent> {
  const decoder = new TextDecoder()
  let ready: UpstreamEvent[] = []
  const parser = createParser({ onEvent: ({ event, data }) => ready.push({ event, data }) })
  for await (const part of body) {
    parser.feed(decoder.decode(part, { stream: true }))
    const events = ready
    ready = []
    for (const event of events) {
      if (event.data === endOfStream) return
      body.eventRead()
      yield event
    }
  }
}

/** As much of an error's body as comes in time; one that breaks off must not hide the status. */
async function readError(body: Dispatcher.ResponseData['body']): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  const timer = setTimeout(() => body.destroy(), errorBodyTimeoutMs)
  try {
    for await (const part of body) {
      parts.push(part)
      size += part.length
      if (size >= maxErrorBytes) break
    }
  } catch {
    body.destroy()
  } finally {
    clearTimeout(timer)
  }
  return Buffer.concat(parts).subarray(0, maxErrorBytes).toString()
}

/** Type, code and message of an error's body, in whichever of the usual forms it comes. */
function errorWords(text: string): string {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return text
  }
  const inner = field(body, 'error') ?? body
  if (typeof inner === 'string') return inner
  const words = ['type', 'code', 'status', 'message'].map((name) => field(inner, name))
  return words.filter((word) => typeof word === 'string').join(' ')
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new UpstreamFailure('invalid_answer', 'The answer is not JSON', {}, { cause })
  }
}
