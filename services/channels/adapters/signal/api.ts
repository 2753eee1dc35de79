import { createParser } from 'eventsource-parser'
import { z } from 'zod'
import { PlatformError } from '../../platform-error.ts'
import { askPlatform, retryAfterMs, streamPlatform } from '../../platform-http.ts'

const maxEventLength = 4 * 1024 * 1024
const maxEventIdLength = 256
const maxReasonLength = 300

/** signal-cli's own codes, and those of JSON-RPC, that time mends: of input and output, of rates, and within. */
const passingCodes = new Set([-3, -5, -32603])
/** How a message to one recipient can fail, and whether that is for good. */
const failures: Readonly<Record<string, { permanent: boolean }>> = {
  NETWORK_FAILURE: { permanent: false },
  RATE_LIMIT_FAILURE: { permanent: false },
  INVALID_PRE_KEY_FAILURE: { permanent: false },
  UNREGISTERED_FAILURE: { permanent: true },
  IDENTITY_FAILURE: { permanent: true },
}

const sendResult = z.object({
  type: z.string(),
  retryAfterSeconds: z.number().min(0).nullish().catch(null),
})
const sendResults = z.array(sendResult).catch([])

const answer = z.object({
  result: z.unknown().optional(),
  error: z
    .object({
      code: z.number(),
      message: z.string().catch(''),
      data: z
        .object({ response: z.object({ results: sendResults }) })
        .nullish()
        .catch(null),
    })
    .nullish(),
})

/** An event of the stream: what it says, and by which id the daemon is asked for those after it. */
export interface SignalEvent {
  id: string | null
  data: string
}

/** signal-cli's daemon, by its HTTP interface. */
export class SignalApi {
  readonly #account: string
  readonly #daemon: string

  constructor({ phone_number, daemon_url }: { phone_number: string; daemon_url: string }) {
    this.#account = phone_number
    this.#daemon = daemon_url.replace(/\/+$/, '')
  }

  /** Throws a PlatformError for what signal-cli or Signal refuses. */
  async call<T>(
    schema: z.ZodType<T>,
    { method, params = {}, maxBytes }: { method: string; params?: Record<string, unknown>; maxBytes?: number },
    signal: AbortSignal,
  ): Promise<T> {
    const body = JSON.stringify({ jsonrpc: '2.0', id: '1', method, params: { account: this.#account, ...params } })
    const headers = { 'content-type': 'application/json' }
    const request = { method: 'POST' as const, headers, body, signal, ...(maxBytes !== undefined && { maxBytes }) }
    const { status, headers: given, json } = await askPlatform(`${this.#daemon}/api/v1/rpc`, request)
    if (status !== 200) throw httpFailure(status, retryAfterMs(given))
    const { data } = answer.safeParse(json)
    if (data?.error) throw refusalOf(data.error)
    const read = schema.safeParse(data?.result)
    if (read.success) return read.data
    throw new PlatformError('signal-cli gave an answer that can not be read', {
      code: 'unreadable_answer',
      permanent: false,
    })
  }

  /** What is received from now on, or after the event of this id as far as the daemon has kept it. */
  async *events(after: string | null, signal: AbortSignal): AsyncGenerator<SignalEvent | 'connected'> {
    const url = `${this.#daemon}/api/v1/events?account=${encodeURIComponent(this.#account)}`
    const resume: Record<string, string> = after === null ? {} : { 'last-event-id': after }
    const { status, body } = await streamPlatform(url, { headers: { accept: 'text/event-stream', ...resume }, signal })
    if (status !== 200) throw httpFailure(status, null)
    yield 'connected'
    const ready: SignalEvent[] = []
    let tooLong = false
    const parser = createParser({
      maxBufferSize: maxEventLength,
      onEvent: ({ id, data }) => {
        // It goes back in a header.
        const usable = id !== undefined && id.length <= maxEventIdLength && /^[\x21-\x7e]+$/.test(id)
        ready.push({ id: usable ? id : null, data })
      },
      onError: ({ type }) => {
        tooLong ||= type === 'max-buffer-size-exceeded'
      },
    })
    const decoder = new TextDecoder()
    for await (const bytes of body) {
      parser.feed(decoder.decode(bytes, { stream: true }))
      yield* ready.splice(0)
      if (tooLong) {
        throw new PlatformError('signal-cli sent more than an event may hold', {
          code: 'event_too_long',
          permanent: false,
        })
      }
    }
    throw new PlatformError('signal-cli closed the connection', { code: 'closed', permanent: false })
  }
}

/** null where at least one has got it. */
export function failureOf(results: unknown): PlatformError | null {
  const read = sendResults.parse(results)
  const [first] = read
  if (!first || read.some(({ type }) => type === 'SUCCESS')) return null
  // As long as one of them may still get it, it is tried again.
  const telling = read.find(({ type }) => failures[type]?.permanent === false) ?? first
  const wait = telling.retryAfterSeconds ?? null
  return new PlatformError(`Signal did not deliver the message: ${telling.type}`.slice(0, maxReasonLength), {
    code: telling.type.slice(0, 128),
    permanent: failures[telling.type]?.permanent ?? false,
    retryAfterMs: wait === null ? null : Math.ceil(wait * 1_000),
  })
}

function refusalOf({ code, message, data }: NonNullable<z.infer<typeof answer>['error']>): PlatformError {
  const failure = failureOf(data?.response.results)
  if (failure) return failure
  return new PlatformError(`signal-cli refused: ${message.slice(0, maxReasonLength)}`, {
    code: `rpc_${code}`,
    permanent: !passingCodes.has(code),
  })
}

function httpFailure(status: number, waitMs: number | null): PlatformError {
  return new PlatformError(`signal-cli answered with HTTP ${status}`, {
    code: `http_${status}`,
    permanent: false,
    retryAfterMs: waitMs,
  })
}
