import type { IncomingHttpHeaders } from 'node:http'
import type { PathParams, Route, RouteBody, RouteQuery, RouteResponse, RouteTable } from '#sdk/route.ts'
import type { Caller } from './gate.ts'
import type { answered, Reply } from './reply.ts'

/** Everything a handler learns about its request; parsed, so the types are true. */
export interface HandlerRequest<R extends Route = Route> {
  params: PathParams<R['path']>
  query: RouteQuery<R>
  body: RouteBody<R>
  caller: Caller
  /** Aborts when the client hangs up before the whole answer was written. */
  signal: AbortSignal
  headers: IncomingHttpHeaders
  reply: Reply
}

type Answer<R extends Route> = RouteResponse<R> | typeof answered

/**
 * Typed input in, the answer out. What it returns is sent as JSON, and as it is on `text` routes; nothing is 204.
 * It returns what `reply` gave it when that has answered already.
 */
export type Handler<R extends Route, C> = (request: HandlerRequest<R>, context: C) => Answer<R> | Promise<Answer<R>>

/** A handler for every route of the table: a missing one does not compile. */
export type Handlers<T extends RouteTable, C> = { [K in keyof T]: Handler<T[K], C> }
