import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIP, isIPv6 } from 'node:net'
import { RuntimeError } from '#sdk/errors.ts'
import { canonicalIp } from './client-ip.ts'

const loopbackNames = ['localhost', '127.0.0.1', '[::1]']
const allowedMethods = 'GET, POST, PUT, DELETE'
const allowedHeaders = 'content-type, authorization, x-api-key'
const exposedHeaders = 'x-request-id, x-trace-id, x-total-count, retry-after'
const readMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

export interface OriginSettings {
  /** The port that is really listened on. */
  port(): number
  /** The bind address and public names, each with or without a port. */
  hosts(): readonly string[]
  /** Web origins that may read answers, such as `https://app.example.org`. */
  allowedOrigins(): readonly string[]
  corsMaxAgeSeconds(): number
}

/** Which host names are served and which web pages may ask: the defence against rebinding and cross-site requests. */
export class OriginPolicy {
  readonly #settings: OriginSettings

  constructor(settings: OriginSettings) {
    this.#settings = settings
  }

  /** Throws `invalid` for a request that names two hosts, `misdirected` for a foreign one. */
  checkHost(request: IncomingMessage): void {
    // An absolute target would name a second host, and OPTIONS alone may ask about the whole server.
    if (!request.url?.startsWith('/') && request.url !== '*')
      throw new RuntimeError('invalid', 'request target: must be a path')
    let hosts = 0
    for (let i = 0; i < request.rawHeaders.length; i += 2) {
      const name = request.rawHeaders[i] as string
      if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1
    }
    if (hosts > 1) throw new RuntimeError('invalid', 'host: must be given once')
    if (!this.#isServedHost(request.headers.host?.toLowerCase() ?? '', request)) throw new RuntimeError('misdirected')
  }

  /** Throws `forbidden` when a foreign page is behind a write. A request without an Origin is not a page's. */
  checkWrite(request: IncomingMessage): void {
    if (!readMethods.has(request.method ?? 'GET')) this.checkPage(request)
  }

  /** Throws `forbidden` when a foreign page is behind the request. */
  checkPage(request: IncomingMessage): void {
    const { origin } = request.headers
    if (origin !== undefined) {
      if (!this.#isKnownOrigin(origin, request)) throw new RuntimeError('forbidden', 'origin: is not allowed')
    } else if (request.headers['sec-fetch-site'] === 'cross-site') {
      throw new RuntimeError('forbidden', 'sec-fetch-site: cross-site requests are not allowed')
    }
  }

  /** Lets a known page read the answer. True: this was a pre-flight request, and it is answered. */
  applyCors(request: IncomingMessage, response: ServerResponse): boolean {
    const { origin } = request.headers
    if (origin === undefined) return false
    response.setHeader('vary', 'Origin')
    const isPreflight = request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined
    if (!this.#isKnownOrigin(origin, request)) {
      if (isPreflight) throw new RuntimeError('forbidden', 'origin: is not allowed')
      return false
    }
    response.setHeader('access-control-allow-origin', origin)
    response.setHeader('access-control-expose-headers', exposedHeaders)
    // The answer may be read from another origin than its own, which the default forbids.
    response.setHeader('cross-origin-resource-policy', 'cross-origin')
    if (!isPreflight) return false
    response.setHeader('access-control-allow-methods', allowedMethods)
    response.setHeader('access-control-allow-headers', allowedHeaders)
    response.setHeader('access-control-max-age', this.#settings.corsMaxAgeSeconds())
    response.statusCode = 204
    response.end()
    return true
  }

  #isServedHost(host: string, { socket }: IncomingMessage): boolean {
    if (host === '') return false
    const port = this.#settings.port()
    if (loopbackNames.some((name) => host === `${name}:${port}` || (port === 80 && host === name))) return true
    // The very address that the client reached can not have been rebound to it.
    if (host === `${asHost(canonicalIp(socket.localAddress))}:${port}`) return true
    const bare = host.replace(/:\d{1,5}$/, '')
    // A name without a port stands for itself on any: a proxy may listen on another one.
    return this.#settings.hosts().some((name) => host === name.toLowerCase() || bare === asHost(name.toLowerCase()))
  }

  #isKnownOrigin(origin: string, request: IncomingMessage): boolean {
    const given = origin.toLowerCase()
    if (this.#settings.allowedOrigins().some((allowed) => allowed.toLowerCase().replace(/\/$/, '') === given))
      return true
    if (!/^https?:\/\/[^/]+$/.test(given)) return false
    const host = given.slice(given.indexOf('//') + 2)
    // The host was served, so a page from the same one is Keel's own.
    if (host === request.headers.host?.toLowerCase()) return true
    // Another port of this machine is another program's page, also where the bind address is one of the names.
    return this.#isServedHost(host, request) && !isOtherPort(host, this.#settings.port())
  }
}

function isOtherPort(host: string, port: number): boolean {
  const { hostname, port: given } = new URL(`http://${host}`)
  return isIP(hostname.replace(/^\[|\]$/g, '')) !== 0 && Number(given || 80) !== port
}

/** An address or name as it stands in a Host header. */
function asHost(name: string): string {
  return isIPv6(name) ? `[${name}]` : name
}
