import type { z } from 'zod'

export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** Which body an area's clients expect with a status of 400 and above. */
export type ErrorStyle = 'standard' | 'ok_false' | 'openai' | 'anthropic'

/** `json`: one JSON answer. `stream`: server-sent events, or JSON when the request asks for it. `text`: as it is. */
export type ResponseKind = 'json' | 'stream' | 'text'

export interface RouteOptions {
  summary: string
  query?: z.ZodObject
  /** Absent: the route takes no body, and an empty one or `{}` is fine. */
  body?: z.ZodType
  /** What a body is that the schema does not take; `invalid` unless told. */
  bodyError?: 'invalid' | 'unprocessable'
  /** A text's media type is its `contentMediaType`; `z.void()` has no body, `z.never()` is a stream that is never JSON. */
  response: z.ZodType
  /** What one `data:` value of a stream holds. */
  event?: z.ZodType
  kind?: ResponseKind
  /** `public`: no API key; the route looks after itself. */
  auth?: 'key' | 'public'
  errors?: ErrorStyle
  /** The largest body, in bytes; 1 MiB unless told. */
  maxBodyBytes?: number
  /** The handler checks a signature over the bytes and parses them itself. */
  rawBody?: boolean
  /** What is said, with 400, of such a body that is too large or can not be read; otherwise it is told what is wrong. */
  unreadable?: string
}

export interface Route<P extends string = string, O extends RouteOptions = RouteOptions> {
  readonly method: HttpMethod
  readonly path: P
  readonly options: O
}

export type RouteTable = Record<string, Route>

const declare =
  (method: HttpMethod) =>
  <const P extends string, O extends RouteOptions>(path: P, options: O): Route<P, O> => ({ method, path, options })

export const get = declare('GET')
export const post = declare('POST')
export const put = declare('PUT')
export const del = declare('DELETE')

export type PathParams<P extends string> = P extends `${string}:${infer Name}/${infer Rest}`
  ? { [K in Name]: string } & PathParams<`/${Rest}`>
  : P extends `${string}:${infer Name}`
    ? { [K in Name]: string }
    : unknown

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined

export type RouteQuery<R extends Route> = Parsed<R['options']['query']>
export type RouteBody<R extends Route> = R['options'] extends { rawBody: true } ? Buffer : Parsed<R['options']['body']>
export type RouteResponse<R extends Route> = z.input<R['options']['response']>
export type RouteEvent<R extends Route> = R['options']['event'] extends z.ZodType
  ? z.input<R['options']['event']>
  : never

/** The names of a path's parameters, in order. */
export function pathParamNames(path: string): string[] {
  return [...path.matchAll(/:([a-z_]+)/g)].map((match) => match[1] as string)
}

/** Sorts so that a literal segment is tried before a parameter in the same place. */
export function literalBeforeParameter(left: Route, right: Route): number {
  const leftSegments = left.path.split('/')
  const rightSegments = right.path.split('/')
  for (let i = 0; i < Math.min(leftSegments.length, rightSegments.length); i++) {
    const byParameter = Number(leftSegments[i]?.startsWith(':')) - Number(rightSegments[i]?.startsWith(':'))
    if (byParameter !== 0) return byParameter
  }
  return leftSegments.length - rightSegments.length
}
