import { UpstreamFailure } from '../failure.ts'
import type { Endpoint } from './endpoint.ts'
import { type Provider, type ProviderCall, refuseErrorObject, type UpstreamDelta } from './provider-call.ts'
import { loadTransport, postJson, type TransportWatch, type UpstreamResponse } from './transport.ts'

/**
 * What Keel uses of a provider's SDK: the reader of its streams, which knows the protocol's events and errors. The
 * request goes out over Keel's own transport, with its pool, its bounds and its failures: an SDK takes longer to put
 * headers together that are then replaced than all the rest of a call takes (test/bench/README.md).
 */
export type StreamReader = (response: Response, aborted: AbortController) => AsyncIterable<unknown>

/** A provider whose SDK is loaded with the first call, once for all. */
export function sdkProvider(
  load: () => Promise<StreamReader>,
  answer: (read: StreamReader, call: ProviderCall) => AsyncGenerator<UpstreamDelta>,
): () => Promise<Provider> {
  let loading: Promise<[StreamReader, unknown]> | undefined
  return async () => {
    loading ??= Promise.all([load(), loadTransport()])
    const [read] = await loading
    return (call) => answer(read, call)
  }
}

/** One call. Yields the events of a stream, parsed, or the one whole answer of a provider that does not stream. */
export async function* callProvider(
  read: StreamReader,
  target: Endpoint,
  body: Record<string, unknown>,
  watch: TransportWatch,
): AsyncGenerator<{ whole: boolean; value: unknown }> {
  const answer = await postJson(target, body, watch)
  if (!answer.streams) {
    const value = await answer.body.json()
    refuseErrorObject(value)
    yield { whole: true, value }
    return
  }
  try {
    for await (const value of read(asResponse(answer), new AbortController())) {
      answer.body.eventRead()
      refuseErrorObject(value)
      yield { whole: false, value }
    }
  } catch (thrown) {
    throw failureOf(thrown)
  }
}

/** The SDKs' readers ask no more of a Response than this. */
function asResponse({ body }: UpstreamResponse): Response {
  return { body, headers: undefined } as unknown as Response
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
