import { Agent, fetch, type Response } from 'undici'
import { RuntimeError } from '../errors.ts'
import { checkedAddresses, type Lookup, refuseTrailingDot } from './checked-addresses.ts'
import { isListedHost } from './host-list.ts'
import { pinnedConnector } from './pinned-connector.ts'

/*
 * The one way out for requests whose address a model, a guest or a web page may have chosen.
 */

export interface GuardedFetchOptions {
  signal?: AbortSignal | undefined
  /** How much of the body is kept, in bytes after decompression; the rest is not read. */
  maxBytes: number
  /** For everything: names, redirects and the body. */
  timeoutMs: number
  /** Hosts (`name` or `name:port`) that may be private. */
  allowedHosts: readonly string[]
  /** Where set, no other hosts are visited, redirects included; in the form of a host list. */
  onlyHosts?: readonly string[]
  /** Default GET. */
  method?: string
  /** Sent once: a redirect that would have it sent to another place is not followed with it. */
  body?: string | undefined
  headers?: Readonly<Record<string, string>>
  /** All addresses of a name. */
  lookup?: Lookup
}

export interface GuardedAnswer {
  status: number
  /** Where the answer came from, after redirects. */
  url: string
  content_type: string | null
  /** Names in lower case. */
  headers: Record<string, string>
  body: Buffer
  /** The body was longer than `maxBytes`. */
  truncated: boolean
}

const maxRedirects = 5
const maxHeaderBytes = 32_768
const redirectStatuses = new Set([301, 302, 303, 307, 308])
const keepsRequest = new Set([307, 308])
/** What may follow a redirect to another origin; any other header may hold a secret. */
const publicHeaders = new Set(['accept', 'accept-language', 'user-agent'])

/**
 * Asks a URL of the public internet, or of a host the operator has named. `invalid`: no http(s) URL; `forbidden`: the
 * address is not public; `upstream_failed`: no answer; `timeout`; `cancelled`.
 */
export async function guardedFetch(address: string, options: GuardedFetchOptions): Promise<GuardedAnswer> {
  const deadline = AbortSignal.timeout(options.timeoutMs)
  const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline
  let url = checkedUrl(address)
  let headers: Record<string, string> = { 'user-agent': 'Keel', ...lowerCased(options.headers ?? {}) }
  try {
    let { method = 'GET', body } = options
    for (let redirects = 0; redirects <= maxRedirects; redirects++) {
      if (options.onlyHosts && !isListedHost(url, options.onlyHosts))
        throw new RuntimeError('forbidden', `${url.host} is none of the hosts that may be visited`)
      const hop = await fetchHop(url, { method, body, headers }, signal, options)
      if ('answer' in hop) return hop.answer
      const elsewhere = hop.next.origin !== url.origin
      // 307 and 308 repeat the request as it was, and only where it was meant for; the others ask anew.
      if (!keepsRequest.has(hop.status) && method !== 'HEAD') {
        method = 'GET'
        body = undefined
      } else if (elsewhere && method !== 'GET' && method !== 'HEAD')
        throw new RuntimeError('upstream_failed', `${url.host} redirects a ${method} to ${hop.next.host}`)
      if (elsewhere) headers = pickPublic(headers)
      url = hop.next
    }
    throw new RuntimeError('upstream_failed', `The address led to more than ${maxRedirects} redirects`)
  } catch (cause) {
    if (options.signal?.aborted) throw new RuntimeError('cancelled', undefined, undefined, { cause })
    if (deadline.aborted) {
      const message = `${url.host} did not answer within ${options.timeoutMs / 1000} s`
      throw new RuntimeError('timeout', message, undefined, { cause })
    }
    if (cause instanceof RuntimeError) throw cause
    // What the connector refuses arrives beneath the error of the fetch.
    if (cause instanceof Error && cause.cause instanceof RuntimeError) throw cause.cause
    throw new RuntimeError('upstream_failed', `${url.host} could not be reached: ${reasonOf(cause)}`, undefined, {
      cause,
    })
  }
}

function checkedUrl(address: string, base?: URL): URL {
  const url = URL.parse(address, base?.href)
  if (!url) throw new RuntimeError('invalid', 'The address is not a valid URL')
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new RuntimeError('invalid', `Only http and https addresses can be fetched, not '${url.protocol}'`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new RuntimeError('invalid', 'The address must not contain a user name or password')
  }
  refuseTrailingDot(url)
  return url
}

type Hop = { answer: GuardedAnswer } | { next: URL; status: number }

interface HopRequest {
  method: string
  body: string | undefined
  headers: Record<string, string>
}

async function fetchHop(
  url: URL,
  { body: sent, ...request }: HopRequest,
  signal: AbortSignal,
  { allowedHosts, maxBytes, lookup }: GuardedFetchOptions,
): Promise<Hop> {
  const addresses = await checkedAddresses(url, { allowedHosts, lookup, signal })
  const agent = new Agent({ connect: pinnedConnector(addresses), maxHeaderSize: maxHeaderBytes })
  try {
    const init = { ...request, signal, redirect: 'manual' as const, dispatcher: agent }
    const response = await fetch(url, sent === undefined ? init : { ...init, body: sent })
    const location = redirectStatuses.has(response.status) ? response.headers.get('location') : null
    if (location !== null) return { next: checkedUrl(location, url), status: response.status }
    const { body, truncated } = await readBody(response, maxBytes)
    const content_type = response.headers.get('content-type')
    const headers = Object.fromEntries(response.headers)
    return { answer: { status: response.status, url: url.href, content_type, headers, body, truncated } }
  } finally {
    await agent.destroy()
  }
}

async function readBody(response: Response, maxBytes: number): Promise<{ body: Buffer; truncated: boolean }> {
  const chunks: Uint8Array[] = []
  let length = 0
  // Leaving the loop early cancels the stream, and with it the connection.
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    length += chunk.byteLength
    if (length > maxBytes) break
  }
  return { body: Buffer.concat(chunks).subarray(0, maxBytes), truncated: length > maxBytes }
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function pickPublic(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => publicHeaders.has(name)))
}

/** undici says 'fetch failed' and puts the reason beneath it. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause instanceof Error ? reasonOf(cause.cause) : cause.message || cause.name
}
