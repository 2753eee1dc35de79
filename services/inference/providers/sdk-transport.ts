import { AsyncLocalStorage } from 'node:async_hooks'
import { UpstreamFailure } from '../failure.ts'
import type { Endpoint } from './endpoint.ts'
import { type Provider, type ProviderCall, refuseErrorObject, type UpstreamDelta } from './provider-call.ts'
import { openUpstream, type TransportWatch, type UpstreamResponse } from './transport.ts'

/** The SDK's own limit must never be the one that counts: deadlines are the caller's. */
export const sdkTimeoutMs = 86_400_000

interface Exchange {
  target: Endpoint
  watch: TransportWatch
  answer?: UpstreamAnswer
  /** What went wrong below the SDK, which would wrap it in an error of its own. */
  failure?: unknown
}

const exchanges = new AsyncLocalStorage<Exchange>()

/** The part of a Response that the providers' SDKs read. */
class UpstreamAnswer {
  readonly ok = true
  readonly status: number
  readonly headers: Headers
  readonly url: string
  readonly streams: boolean
  readonly body: UpstreamResponse['body']

  constructor(url: URL, { status, headers, streams, body }: UpstreamResponse) {
    this.url = url.href
    this.status = status
    this.headers = new Headers(Object.entries(headers).map(([name, value]) => [name, String(value)]))
    this.streams = streams
    this.body = body
  }

  json(): Promise<unknown> {
    return this.body.json()
  }
}

/** What the SDKs are given in place of fetch: Keel's own transport, with its pool, its bounds and its failures. */
export async function sdkFetch(_url: unknown, init: RequestInit = {}): Promise<Response> {
  const exchange = exchanges.getStore()
  if (!exchange) throw new UpstreamFailure('connection', 'A provider was called outside a call')
  try {
    const headers = Object.fromEntries(new Headers(init.headers))
    const { url } = exchange.target
    const response = await openUpstream(url, { method: 'POST', headers, body: String(init.body) }, exchange.watch)
    // The SDKs read no more of a Response than this has.
    exchange.answer = new UpstreamAnswer(url, response)
    return exchange.answer as unknown as Response
  } catch (thrown) {
    exchange.failure = thrown
    throw thrown
  }
}

/** What Keel uses of a provider's SDK; both are made by the same generator. */
export interface ProviderSdk {
  client: {
    post(
      path: string,
      options: { body: unknown; stream: boolean; headers: Record<string, string | null> },
    ): { asResponse(): Promise<Response> }
  }
  /** The events of a streamed answer, parsed. */
  events(response: Response, aborted: AbortController): AsyncIterable<unknown>
}

/** A provider whose SDK is loaded with the first call, once for all: address and key come with each request. */
export function sdkProvider(
  load: () => Promise<ProviderSdk>,
  answer: (sdk: ProviderSdk, call: ProviderCall) => AsyncGenerator<UpstreamDelta>,
): () => Promise<Provider> {
  let loading: Promise<ProviderSdk> | undefined
  return async () => {
    loading ??= load()
    const sdk = await loading
    return (call) => answer(sdk, call)
  }
}

/**
 * One call through a provider's SDK: it makes the request, reads the stream and knows the protocol's errors; where the
 * bytes go is Keel's. Yields the events of a stream, or the one whole answer of a provider that does not stream.
 */
export async function* callSdk(
  { client, events }: ProviderSdk,
  target: Endpoint,
  body: Record<string, unknown>,
  watch: TransportWatch,
): AsyncGenerator<{ whole: boolean; value: unknown }> {
  const exchange: Exchange = { target, watch }
  const headers = { authorization: null, 'x-api-key': null, ...target.headers }
  try {
    const response = await exchanges.run(exchange, () =>
      client.post(target.url.href, { body, stream: body.stream === true, headers }).asResponse(),
    )
    if (exchange.answer && !exchange.answer.streams) {
      const value = await exchange.answer.json()
      refuseErrorObject(value)
      yield { whole: true, value }
      return
    }
    for await (const value of events(response, new AbortController())) {
      refuseErrorObject(value)
      yield { whole: false, value }
    }
  } catch (thrown) {
    throw failureOf(exchange.failure ?? thrown)
  }
}

/** An SDK's error as one of ours: the error object that came inside a stream, or a text that is no JSON. */
function failureOf(thrown: unknown): unknown {
  if (thrown instanceof SyntaxError)
    return new UpstreamFailure('invalid_answer', 'The answer is not JSON', {}, { cause: thrown })
  if (typeof thrown !== 'object' || thrown === null || !('error' in thrown)) return thrown
  const { error } = thrown
  try {
    refuseErrorObject(
      typeof error === 'object' && error !== null && 'error' in error ? error : { error: error ?? 'error' },
    )
  } catch (failure) {
    return failure
  }
  return thrown
}
