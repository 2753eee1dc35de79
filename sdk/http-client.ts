import { z } from 'zod'
import { type Api, api } from './api.ts'
import { RuntimeError } from './errors.ts'
import { errorOfAnswer, readEvents, readJson } from './http-answer.ts'
import type { PathParams, Route } from './route.ts'

export interface ClientOptions {
  /** Where Keel is served, such as `http://127.0.0.1:18789`. */
  url: string
  apiKey: string
  /** Another way out, for instance with longer timeouts. */
  fetch?: typeof fetch
}

type ParamsOption<R extends Route> = keyof PathParams<R['path']> extends never
  ? unknown
  : { params: PathParams<R['path']> }

type QueryOption<O> = O extends { query: infer Q extends z.ZodObject }
  ? Record<never, never> extends z.input<Q>
    ? { query?: z.input<Q> }
    : { query: z.input<Q> }
  : unknown

type BodyOption<O> = O extends { rawBody: true }
  ? { body: string }
  : O extends { body: infer B extends z.ZodType }
    ? undefined extends z.input<B>
      ? { body?: z.input<B> }
      : { body: z.input<B> }
    : unknown

interface CommonOptions {
  /** Ends the call, or the stream. */
  signal?: AbortSignal
  headers?: Record<string, string>
}

/** Path parameters, query and body as the route's table has them. */
export type RouteOptionsOf<R extends Route> = CommonOptions &
  ParamsOption<R> &
  QueryOption<R['options']> &
  BodyOption<R['options']>

type Arguments<R extends Route> =
  Record<never, never> extends RouteOptionsOf<R> ? [options?: RouteOptionsOf<R>] : [options: RouteOptionsOf<R>]

/** JSON as its schema gives it; the response itself where it is a text. */
type Answer<O extends Route['options']> = O['response'] extends z.ZodVoid
  ? undefined
  : O extends { kind: 'text' }
    ? Response
    : z.output<O['response']>

type Call<R extends Route> = R['options']['response'] extends z.ZodNever
  ? unknown
  : (...options: Arguments<R>) => Promise<Answer<R['options']>>

type Stream<R extends Route> = R['options'] extends { event: infer E extends z.ZodType }
  ? { stream: (...options: Arguments<R>) => AsyncGenerator<z.output<E>> }
  : unknown

/** `client.area.route(options)`; routes that stream have `client.area.route.stream(options)` as well. */
export type HttpClient = { [A in keyof Api]: { [K in keyof Api[A]]: RouteClient<Api[A][K]> } }
export type RouteClient<R> = R extends Route ? Call<R> & Stream<R> : never

interface AnyOptions extends CommonOptions {
  params?: Record<string, string>
  query?: Record<string, unknown>
  body?: unknown
}

/** A client for every route, derived from the tables. What the server refuses is thrown as a RuntimeError of its kind. */
export function createClient(options: ClientOptions): HttpClient {
  const areas = Object.entries(api).map(([area, table]) => [
    area,
    Object.fromEntries(Object.entries(table).map(([key, route]) => [key, routeClient(route, options)])),
  ])
  // Each function parses what its type promises.
  const client: unknown = Object.fromEntries(areas)
  return client as HttpClient
}

function routeClient(route: Route, client: ClientOptions) {
  const { response: schema, kind } = route.options

  async function call(options: AnyOptions = {}): Promise<unknown> {
    const response = await send(route, client, options, 'application/json')
    if (schema instanceof z.ZodVoid) return undefined
    return kind === 'text' ? response : await guarded(options.signal, () => readJson(response, schema))
  }

  async function* stream(options: AnyOptions = {}): AsyncGenerator<unknown> {
    const response = await send(route, client, options, 'text/event-stream')
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
      await response.body?.cancel()
      throw new RuntimeError('upstream_failed', 'The answer is not a stream: the request must ask for one')
    }
    try {
      yield* readEvents(response, route.options.event ?? z.unknown())
    } catch (thrown) {
      throw toClientError(thrown, options.signal)
    }
  }

  return Object.assign(call, { stream })
}

async function send(route: Route, client: ClientOptions, options: AnyOptions, accept: string): Promise<Response> {
  const { method, options: declared } = route
  const { body, signal, headers } = options
  const url = routeUrl(client.url, route, options)
  const response = await guarded(signal, () =>
    (client.fetch ?? fetch)(url, {
      method,
      // A redirect would carry the key to another place.
      redirect: 'error',
      ...(signal && { signal }),
      headers: {
        accept: declared.kind === 'text' ? '*/*' : accept,
        authorization: `Bearer ${client.apiKey}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: declared.rawBody ? String(body) : JSON.stringify(body) }),
    }),
  )
  if (!response.ok) throw await guarded(signal, () => errorOfAnswer(response))
  return response
}

function routeUrl(base: string, { path }: Route, { params = {}, query = {} }: AnyOptions): string {
  const filled = path.replaceAll(/:([a-z_]+)/g, (_, name: string) => pathSegment(name, params[name]))
  const url = new URL(`${base.replace(/\/+$/, '')}${filled}`)
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null) url.searchParams.append(key, String(value))
  }
  return url.href
}

/** Dots would leave the path that the route stands for. */
function pathSegment(name: string, value: string | undefined): string {
  if (value === undefined || value === '' || value === '.' || value === '..') {
    throw new RuntimeError('invalid', `${name}: can not stand in a path`)
  }
  return encodeURIComponent(value)
}

async function guarded<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    throw toClientError(thrown, signal)
  }
}

function toClientError(thrown: unknown, signal: AbortSignal | undefined): RuntimeError {
  if (thrown instanceof RuntimeError) return thrown
  if (signal?.aborted) return new RuntimeError('cancelled', undefined, undefined, { cause: thrown })
  return new RuntimeError('unavailable', 'Keel can not be reached, or the connection broke', undefined, {
    cause: thrown,
  })
}
