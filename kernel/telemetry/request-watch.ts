import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RequestWatch } from '#kernel/http/mount.ts'
import type { Route } from '#sdk/route.ts'
import { Span } from '#sdk/telemetry/span.ts'
import { newSpanId, newTraceId, parseTraceparent } from '#sdk/telemetry/trace-context.ts'
import { rootSpan, withSpan } from '#sdk/telemetry/tracing.ts'
import type { Metrics } from './metrics.ts'

const traceHeader = 'x-trace-id'
/** The status of a request whose client went away before it was answered. */
const hungUpStatus = 499
const firstErrorStatus = 500

interface Watched {
  traceId: string
  startedAt: number
  route: Route | undefined
  /** Only of those who have shown the key: nobody else fills a collector. */
  span: Span | undefined
}

/** Gives each request a trace, named to its client in a header, and counts it once it is over. */
export function watchRequests(metrics: () => Pick<Metrics, 'request'> | undefined): RequestWatch {
  const all = new WeakMap<ServerResponse, Watched>()

  function end({ method = '' }: IncomingMessage, response: ServerResponse, watched: Watched): void {
    const status = response.headersSent ? response.statusCode : hungUpStatus
    const seconds = (performance.now() - watched.startedAt) / 1000
    metrics()?.request({ method, route: watched.route?.path, status, seconds })
    const { span } = watched
    if (!span) return
    span.set({ 'http.response.status_code': status })
    if (!response.writableFinished) span.failAs('cancelled')
    else if (status >= firstErrorStatus) span.failAs(String(status))
    span.end()
  }

  return {
    begin(request, response) {
      const watched: Watched = {
        traceId: newTraceId(),
        startedAt: performance.now(),
        route: undefined,
        span: undefined,
      }
      all.set(response, watched)
      response.setHeader(traceHeader, watched.traceId)
      response.once('close', () => end(request, response, watched))
    },

    routed(response, route) {
      const watched = all.get(response)
      if (watched) watched.route = route
    },

    answering(request, response, { route: { method, path }, caller: { authenticated } }, work) {
      const watched = all.get(response)
      if (!watched) return work()
      if (!authenticated) return withSpan(unkept(watched.traceId), work)
      // Strangers can not write themselves into somebody's trace.
      const caller = parseTraceparent(request.headers.traceparent)
      const attributes = { 'http.request.method': method, 'http.route': path }
      const start = { kind: 'server' as const, attributes }
      const span = rootSpan(`${method} ${path}`, start, caller ? { caller } : { traceId: watched.traceId })
      watched.span = span
      if (caller) response.setHeader(traceHeader, caller.traceId)
      return withSpan(span, work)
    },
  }
}

/** The place of a request of which no spans are kept: its lines in the log name it. */
function unkept(traceId: string): Span {
  return new Span({ traceId, spanId: newSpanId(), isSampled: false, hasContent: false })
}
