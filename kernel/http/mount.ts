import type { IncomingMessage, ServerResponse } from 'node:http'
import { parse as parseQuery } from 'node:querystring'
import { type Request, type Response, Router } from 'express'
import type { Logger } from 'pino'
import { RuntimeError } from '#sdk/errors.ts'
import { type HttpMethod, literalBeforeParameter, type Route, type RouteTable } from '#sdk/route.ts'
import { type PublicFile, pathOf, sendFile, sendJson, sendProblem } from './answer.ts'
import { routeBody } from './body.ts'
import { errorStyleOfPath } from './error-styles.ts'
import type { Caller, Gate } from './gate.ts'
import type { HandlerRequest, Handlers } from './handler.ts'
import { parsePart } from './issues.ts'
import { answered, Reply } from './reply.ts'

const maxQueryKeys = 64

/** Route tables with their handlers, by area. A handler may be missing only where the route is pending. */
export type Areas<T extends Record<string, RouteTable>, C> = {
  [K in keyof T]: { table: T[K]; handlers: Partial<Handlers<T[K], C>> }
}

export interface MountOptions<C> {
  context: C
  gate: Gate
  log: Logger
  /** 'area.route' names that answer 501. */
  pending?: ReadonlySet<string>
  /** 'area.route' names that the rate limits do not count, such as health and the dashboard's files. */
  unlimited?: ReadonlySet<string>
  /** Awaited before a call that may change something, but for those to the doors of other APIs, which see to it themselves. */
  beforeChange?: () => Promise<void>
  /** Told of each request and of what it is for. */
  watch?: RequestWatch
  /** The dashboard's files by path, asked for where no route matches: public, and not counted. */
  publicFile?: (path: string) => PublicFile | undefined
}

/** Follows requests, by the template of their route and never by their path. */
export interface RequestWatch {
  /** It has come in, and nobody has looked at it yet. */
  begin(request: IncomingMessage, response: ServerResponse): void
  /** It is let in and is answered by `work`. */
  answering<T>(
    request: IncomingMessage,
    response: ServerResponse,
    matched: { route: Route; caller: Caller },
    work: () => T,
  ): T
  /** It is for this route, whether it is let in or not. */
  routed(response: ServerResponse, route: Route): void
}

/** Any handler, as the router calls it: the parse before each call earns the types that its own declaration has. */
interface AnyHandler<C> {
  call(request: HandlerRequest, context: C): unknown
}

interface MountedRoute<C> {
  route: Route
  name: string
  handler: AnyHandler<C>['call'] | undefined
  isCounted: boolean
}

/** A request whose path was taken apart, where there was something to take apart. */
type RoutedRequest = IncomingMessage & { params?: Record<string, string> }

export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void

/**
 * The router as it is called here: without an express application around it, whose change of the request's prototype
 * costs more than the routing does.
 */
interface PlainRouter {
  serve(request: IncomingMessage, response: ServerResponse, next: (thrown: unknown) => void): void
}

/** An express router over all areas. What no route takes is answered too: 405 on a known path, else 404. */
export function mount<T extends Record<string, RouteTable>, C>(
  areas: Areas<T, C>,
  { context, gate, log, pending = new Set(), unlimited = new Set(), beforeChange, watch, publicFile }: MountOptions<C>,
): RequestListener {
  const router = Router({ caseSensitive: true, strict: true })
  /** Most calls go to paths without parameters: those are found without asking one route after the other. */
  const literal = new Map<string, RequestListener>()
  const routes = mountedRoutes(areas, pending, unlimited)

  for (const mounted of routes) {
    const { route } = mounted
    const style = route.options.errors ?? errorStyleOfPath(route.path)
    const serve = (request: RoutedRequest, response: ServerResponse) => {
      const reply = new Reply(response)
      const refuse = (thrown: unknown) => sendProblem(request, response, thrown, { style, log, stream: reply.stream })
      watch?.routed(response, route)
      let caller: Caller
      try {
        caller = gate.admit(request, { isPublic: route.options.auth === 'public', isCounted: mounted.isCounted })
      } catch (thrown) {
        refuse(thrown)
        return
      }
      const answer = () => answerRoute(mounted, { request, response, reply, caller }).catch(refuse)
      void (watch ? watch.answering(request, response, { route, caller }, answer) : answer())
    }
    router[lowerMethods[route.method]](route.path, serve)
    if (!route.path.includes(':')) literal.set(`${route.method} ${route.path}`, serve)
  }

  async function answerRoute(
    { route, handler }: MountedRoute<C>,
    {
      request,
      response,
      reply,
      caller,
    }: { request: RoutedRequest; response: ServerResponse; reply: Reply; caller: Caller },
  ) {
    const { options } = route
    if (!handler) throw new RuntimeError('not_implemented', `${options.summary} is not implemented yet`)
    const query = options.query && parsePart(options.query, queryOf(request), 'query')
    const body = await routeBody(request, options)
    if (beforeChange && route.method !== 'GET' && errorStyleOfPath(route.path) === 'standard') await beforeChange()
    const hangUp = new AbortController()
    response.once('close', () => response.writableFinished || hangUp.abort(new RuntimeError('cancelled')))
    const { params = {}, headers } = request
    const answer = await handler({ params, query, body, caller, signal: hangUp.signal, headers, reply }, context)
    if (answer === answered || response.writableEnded) return
    if (reply.stream) reply.stream.end()
    else if (options.kind === 'text' && typeof answer === 'string') reply.text(answer)
    else sendJson(response, answer)
  }

  const knownPaths = pathPatterns(routes)

  /** Strangers are not told which paths there are. */
  function refuse(request: Request, response: Response, reason: (path: string) => unknown) {
    const path = pathOf(request)
    try {
      gate.admit(request, { isPublic: false, isCounted: true })
      throw reason(path)
    } catch (thrown) {
      sendProblem(request, response, thrown, { style: errorStyleOfPath(path), log })
    }
  }

  router.use((request, response) => {
    const file = request.method === 'GET' || request.method === 'HEAD' ? publicFile?.(pathOf(request)) : undefined
    if (file) return sendFile(request, response, file)
    refuse(request, response, (path) => {
      const methods = knownPaths.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method)
      if (methods.length === 0) return unknownPath(path)
      response.setHeader('allow', [...new Set(methods)].join(', '))
      return new RuntimeError('method_not_allowed', 'method not allowed')
    })
  })
  // Express knows a handler for errors by its four parameters.
  router.use((thrown: unknown, request: Request, response: Response, _next: () => void) =>
    refuse(request, response, () => thrown),
  )
  const plain: PlainRouter = { serve: router }
  return (request, response) => {
    const serve = literal.get(`${request.method} ${pathOf(request)}`)
    if (serve) serve(request, response)
    else plain.serve(request, response, (thrown) => sendProblem(request, response, thrown, { style: 'standard', log }))
  }
}

function unknownPath(path: string): RuntimeError {
  const details = errorStyleOfPath(path) === 'openai' ? { code: 'unknown_url' } : undefined
  return new RuntimeError('not_found', 'not found', details)
}

const lowerMethods = { GET: 'get', POST: 'post', PUT: 'put', DELETE: 'delete' } as const

function mountedRoutes<T extends Record<string, RouteTable>, C>(
  areas: Areas<T, C>,
  pending: ReadonlySet<string>,
  unlimited: ReadonlySet<string>,
): MountedRoute<C>[] {
  const mounted: MountedRoute<C>[] = []
  for (const [area, { table, handlers }] of Object.entries(areas)) {
    const callable: Partial<Record<string, AnyHandler<C>['call']>> = handlers
    for (const [key, route] of Object.entries<Route>(table)) {
      const name = `${area}.${key}`
      const handler = pending.has(name) ? undefined : callable[key]
      if (!handler && !pending.has(name)) throw new RuntimeError('internal', `Route ${name} has no handler`)
      mounted.push({ route, name, handler, isCounted: !unlimited.has(name) })
    }
  }
  const taken = new Set<string>()
  for (const { name, route } of mounted) {
    const place = `${route.method} ${route.path.replaceAll(/:[a-z_]+/g, ':')}`
    if (taken.has(place)) throw new RuntimeError('internal', `Route ${name} is declared twice: ${place}`)
    taken.add(place)
  }
  const known = new Set(mounted.map(({ name }) => name))
  for (const name of [...pending, ...unlimited]) {
    if (!known.has(name)) throw new RuntimeError('internal', `There is no route ${name}`)
  }
  return mounted.sort((left, right) => literalBeforeParameter(left.route, right.route))
}

function pathPatterns(routes: readonly { route: Route }[]): { method: HttpMethod; pattern: RegExp }[] {
  return routes.map(({ route: { method, path } }) => {
    const segments = path.split('/').map((segment) => (segment.startsWith(':') ? '[^/]+' : RegExp.escape(segment)))
    return { method, pattern: new RegExp(`^${segments.join('/')}$`) }
  })
}

function queryOf(request: IncomingMessage): unknown {
  const url = request.url ?? ''
  const start = url.indexOf('?')
  return start < 0 ? {} : parseQuery(url.slice(start + 1), '&', '=', { maxKeys: maxQueryKeys })
}
