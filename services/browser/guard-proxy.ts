import type { LookupAddress } from 'node:dns'
import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { type AddressInfo, isIPv6, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { bareHost } from '#sdk/egress/address-rules.ts'
import { checkedAddresses, type Lookup, refuseTrailingDot } from '#sdk/egress/checked-addresses.ts'
import { pinnedConnector } from '#sdk/egress/pinned-connector.ts'
import { isErrorOf, RuntimeError, reasonOf } from '#sdk/errors.ts'

/*
 * The one way out of the pages of a session: a proxy on loopback that resolves each name itself, refuses what is not
 * public, and connects to the very address that it has checked.
 */

/** To find the addresses of a name. */
const lookupMs = 10_000
/** A connection without a byte for so long is closed. */
const idleMs = 300_000
/** That one connection may bring to the page, and all of a session together. */
const maxBytes = { connection: 536_870_912, session: 2_147_483_648 }
const maxConnections = 512
/** Between the proxy and its neighbour, and no business of the far end. */
const hopHeaders = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

export interface GuardOptions {
  /** Hosts (`name` or `name:port`) that may be private; asked for each connection. */
  allowedHosts: () => readonly string[]
  lookup?: Lookup | undefined
  /** Somebody has asked for what is refused, or could not be reached. */
  onFailure: (failure: GuardFailure) => void
}

export interface GuardFailure {
  /** With its port, where that is not the usual one. */
  host: string
  reason: string
  /** It is not that nobody was there: nobody may be asked. */
  isRefusal: boolean
}

export interface GuardProxy {
  /** `http://127.0.0.1:port` */
  url: string
  close(): Promise<void>
}

export async function openGuard({ allowedHosts, lookup, onFailure }: GuardOptions): Promise<GuardProxy> {
  const sockets = new Set<Duplex>()
  let sessionBytes = 0

  async function connect(url: URL): Promise<Socket> {
    refuseTrailingDot(url)
    if (sessionBytes > maxBytes.session) throw new RuntimeError('forbidden', tooMuch('session'))
    const signal = AbortSignal.timeout(lookupMs)
    const addresses = await checkedAddresses(url, { allowedHosts: allowedHosts(), lookup, signal })
    const socket = await openSocket(url, addresses)
    hold(socket, url)
    return socket
  }

  function hold(socket: Socket, url: URL): void {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.setTimeout(idleMs, () => socket.destroy())
    let bytes = 0
    socket.on('data', (part: Buffer) => {
      bytes += part.length
      sessionBytes += part.length
      const bound = bytes > maxBytes.connection ? 'connection' : sessionBytes > maxBytes.session ? 'session' : undefined
      if (bound === undefined) return
      onFailure({ host: url.host, reason: tooMuch(bound), isRefusal: true })
      socket.destroy()
    })
  }

  function failureOf(url: URL, thrown: unknown): GuardFailure {
    const { host } = url
    const isRefusal = isErrorOf(thrown, 'forbidden')
    const isOwn = thrown instanceof RuntimeError
    const failure = { host, isRefusal, reason: isOwn ? thrown.message : `${host} did not answer: ${reasonOf(thrown)}` }
    onFailure(failure)
    return failure
  }

  const agent = new Agent({ keepAlive: true, maxSockets: maxConnections })
  agent.createConnection = ({ host, port }, callback) => {
    connect(httpUrl(host ?? '', Number(port))).then(
      (socket) => callback?.(null, socket),
      (thrown) => callback?.(thrown, undefined as never),
    )
    return undefined
  }

  async function forward(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const url = URL.parse(incoming.url ?? '')
    if (url?.protocol !== 'http:') return answer(outgoing, 400, 'Only http addresses are asked for in this way')
    try {
      const { method } = incoming
      const headers = withoutHopHeaders(incoming.rawHeaders)
      const { port, pathname, search } = url
      const upstream = request({
        agent,
        host: bareHost(url),
        port,
        path: pathname + search,
        method,
        headers,
        setHost: false,
      })
      const answered = once(upstream, 'response') as Promise<[IncomingMessage]>
      // A page may turn away before its answer is there.
      outgoing.once('close', () => upstream.destroy())
      const sent = pipeline(incoming, upstream)
      const [[response]] = await Promise.all([answered, sent])
      outgoing.writeHead(response.statusCode ?? 502, response.statusMessage, withoutHopHeaders(response.rawHeaders))
      await pipeline(response, outgoing)
    } catch (thrown) {
      // Somebody who has turned away is told nothing.
      if (outgoing.destroyed) return
      const failure = failureOf(url, thrown)
      if (!outgoing.headersSent) answer(outgoing, failure.isRefusal ? 403 : 502, failure.reason)
      else outgoing.destroy()
    }
  }

  async function tunnel(incoming: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    client.on('error', () => client.destroy())
    const url = URL.parse(`https://${incoming.url}`)
    if (url?.pathname !== '/') return void client.end(statusLine(400, 'no host and port'))
    try {
      const upstream = await connect(url)
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.write(head)
      await Promise.all([pipeline(client, upstream), pipeline(upstream, client)])
    } catch (thrown) {
      if (client.destroyed) return
      const { isRefusal, reason } = failureOf(url, thrown)
      client.end(statusLine(isRefusal ? 403 : 502, reason))
    }
  }

  const server = createServer({ keepAliveTimeout: idleMs }, (incoming, outgoing) => void forward(incoming, outgoing))
  server.maxConnections = maxConnections
  server.on('connect', (incoming, socket, head) => void tunnel(incoming, socket, head))
  server.on('upgrade', (_, socket) => socket.end(statusLine(400, 'tunnels are asked for with CONNECT')))
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      agent.destroy()
      for (const socket of sockets) socket.destroy()
      if (server.listening) await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Bytes as they are: what is spoken over them is for whoever asked. */
function openSocket(url: URL, addresses: LookupAddress[]): Promise<Socket> {
  const connect = pinnedConnector(addresses)
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  return new Promise((resolve, reject) => {
    connect({ hostname: bareHost(url), port, protocol: 'http:' }, (error, socket) => {
      if (socket) resolve(socket)
      else reject(error)
    })
  })
}

function httpUrl(host: string, port: number): URL {
  return new URL(`http://${isIPv6(host) ? `[${host}]` : host}:${port}`)
}

function tooMuch(bound: keyof typeof maxBytes): string {
  return `The ${bound} has brought more than ${maxBytes[bound]} bytes`
}

/** Names and values in turn, as Node has them. */
function withoutHopHeaders(rawHeaders: string[]): string[] {
  return rawHeaders.filter((_, index) => !hopHeaders.has((rawHeaders[index - (index % 2)] ?? '').toLowerCase()))
}

function answer(outgoing: ServerResponse, status: number, reason: string): void {
  outgoing.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  outgoing.end(reason)
}

function statusLine(status: number, reason: string): string {
  return `HTTP/1.1 ${status} ${reason.replace(/[^ -~]/g, '?')}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`
}
