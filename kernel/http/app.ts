import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { newId } from '#sdk/ids.ts'
import type { RouteTable } from '#sdk/route.ts'
import { pathOf, sendProblem } from './answer.ts'
import { errorStyleOfPath } from './error-styles.ts'
import { securityHeaders } from './headers.ts'
import { type Areas, type MountOptions, mount, type RequestListener } from './mount.ts'
import type { OriginPolicy } from './origin.ts'

export interface AppOptions<T extends Record<string, RouteTable>, C> extends MountOptions<C> {
  areas: Areas<T, C>
  origins: OriginPolicy
}

/** Everything between a parsed HTTP head and an answer. */
export function createApp<T extends Record<string, RouteTable>, C>(options: AppOptions<T, C>): RequestListener {
  const { areas, origins, log, watch } = options
  const serve = mount<T, C>(areas, options)

  return (request, response) => {
    for (const [name, value] of securityHeaders) response.setHeader(name, value)
    // Without a listener, a handler that answers twice would end the process.
    response.on('error', (error) => log.warn({ err: error, path: pathOf(request) }, 'an answer could not be written'))
    const requestId = newId()
    response.setHeader('x-request-id', requestId)
    watch?.begin(request, response)
    if (log.isLevelEnabled('debug')) logAccess(request, response, log.child({ request_id: requestId }))
    try {
      origins.checkHost(request)
      if (origins.applyCors(request, response)) return
      origins.checkWrite(request)
    } catch (thrown) {
      sendProblem(request, response, thrown, { style: errorStyleOfPath(pathOf(request)), log })
      return
    }
    serve(request, response)
  }
}

function logAccess(request: IncomingMessage, response: ServerResponse, log: Logger): void {
  const startedAt = performance.now()
  response.once('close', () => {
    const { method } = request
    const ms = Math.round((performance.now() - startedAt) * 10) / 10
    const complete = response.writableFinished
    const trace_id = response.getHeader('x-trace-id')
    log.debug({ method, path: pathOf(request), status: response.statusCode, ms, complete, trace_id }, 'request')
  })
}
