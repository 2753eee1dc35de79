import { createParser } from 'eventsource-parser'
import type { Agent, Dispatcher, request } from 'undici'
import { failureOfStatus, UpstreamFailure } from '../failure.ts'
import type { Endpoint } from './endpoint.ts'

/** The largest whole answer, in bytes. */
const maxAnswerBytes = 16 * 1024 * 1024
/** The most that is read of an error's body, in bytes. */
const maxErrorBytes = 64 * 1024
/** The longest line of a stream, in characters. */
const maxEventChars = 4 * 1024 * 1024
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

export interface UpstreamResponse {
  /** The answer is a stream of server-sent events; otherwise it is one JSON text. */
  streams: boolean
  json(): Promise<unknown>
  events(): AsyncGenerator<UpstreamEvent>
}

/** POSTs JSON. Anything but a 2xx is thrown as a failure; nothing of its body but the words for the log is kept. */
export async function postJson(target: Endpoint, body: unknown, watch: TransportWatch): Promise<UpstreamResponse> {
  const headers = { ...target.headers, 'content-type': 'application/json' }
  return open(target.url, { method: 'POST', headers, body: JSON.stringify(body) }, watch)
}

export async function getJson(target: Endpoint, signal: AbortSignal): Promise<unknown> {
  return (await open(target.url, { method: 'GET', headers: target.headers }, { signal })).json()
}

async function open(
  url: URL,
  options: { method: Dispatcher.HttpMethod; headers: Record<string, string>; body?: string },
  watch: TransportWatch,
): Promise<UpstreamResponse> {
  const { request, agent } = await loadTransport()
  const response = await request(url, { ...options, dispatcher: agent, signal: watch.signal })
  const { statusCode, headers, body } = response
  // Whoever reads the body hears of its errors; one that is given up half read tells them to nobody.
  body.on('error', () => {})
  if (statusCode < 200 || statusCode >= 300) {
    throw failureOfStatus(statusCode, errorWords(await readError(body)), headers)
  }
  watch.onAccepted?.()
  return {
    streams: String(headers['content-type'] ?? '').includes('text/event-stream'),
    json: () => readJson(body, watch),
    events: () => readEvents(body, watch),
  }
}

async function readJson(body: Dispatcher.ResponseData['body'], watch: TransportWatch): Promise<unknown> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of body) {
    watch.onBytes?.()
    parts.push(part)
    size += part.length
    if (size > maxAnswerBytes) throw new UpstreamFailure('too_large', `The answer is over ${maxAnswerBytes} bytes`)
  }
  const text = (parts.length === 1 ? parts[0] : Buffer.concat(parts))?.toString() ?? ''
  return parseJson(text)
}

async function* readEvents(
  body: Dispatcher.ResponseData['body'],
  watch: TransportWatch,
): AsyncGenerator<UpstreamEvent> {
  const decoder = new TextDecoder()
  let ready: UpstreamEvent[] = []
  let oversize = false
  const parser = createParser({
    maxBufferSize: maxEventChars,
    onEvent: ({ event, data }) => ready.push({ event, data }),
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') oversize = true
    },
  })
  let ended = false
  try {
    for await (const part of body.iterator({ destroyOnReturn: false })) {
      watch.onBytes?.()
      parser.feed(decoder.decode(part, { stream: true }))
      const events = ready
      ready = []
      for (const event of events) {
        ended = event.data === endOfStream
        if (ended) return
        yield event
      }
      if (oversize) throw new UpstreamFailure('too_large', `An event is over ${maxEventChars} characters`)
    }
  } finally {
    // What follows the last event is read away, so that the connection can be used again.
    if (ended) body.dump({ limit: maxTrailingBytes, signal: AbortSignal.timeout(trailingTimeoutMs) }).catch(() => {})
    else body.destroy()
  }
}

async function readError(body: Dispatcher.ResponseData['body']): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of body) {
    parts.push(part)
    size += part.length
    if (size >= maxErrorBytes) break
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
