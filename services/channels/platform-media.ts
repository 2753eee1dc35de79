import { RuntimeError } from '#sdk/errors.ts'
import type { AdapterHost, MediaRequest, MediaSource } from './adapter.ts'
import { PlatformError } from './platform-error.ts'

const fetchMs = 100_000
const mayGoBetter = new Set([408, 425, 429])

/** A platform's hosts and those that the operator has named, in the form of a host list. */
export function mediaHosts(platformHosts: readonly string[], { allowedHosts }: Pick<AdapterHost, 'allowedHosts'>) {
  return [...platformHosts, ...allowedHosts.flatMap((host) => [host, `http://${host}`])]
}

/** Whoever sets the address of a platform's API means it: a server of one's own may stand in the house. */
export function withApiHost(host: AdapterHost, apiUrl: string): AdapterHost {
  return { ...host, allowedHosts: [...host.allowedHosts, new URL(apiUrl).host] }
}

/**
 * A file that a platform keeps at an address, from its own hosts alone: the address stood in a message, which anyone
 * may have written. `headers` are not sent on to where it may lead. `too_large` past `maxBytes`.
 */
export async function fetchPlatformMedia(
  { ref, maxBytes }: MediaRequest,
  { hosts, host, headers = {} }: { hosts: readonly string[]; host: AdapterHost; headers?: Record<string, string> },
  signal: AbortSignal,
): Promise<MediaSource> {
  const { guardedFetch } = await import('#sdk/egress/guarded-fetch.ts')
  const { allowedHosts } = host
  const onlyHosts = mediaHosts(hosts, host)
  const answer = await guardedFetch(ref, { signal, maxBytes, timeoutMs: fetchMs, onlyHosts, allowedHosts, headers })
  const { status, truncated, content_type, body } = answer
  if (status !== 200) {
    const permanent = status < 500 && !mayGoBetter.has(status)
    throw new PlatformError(`The file could not be had: HTTP ${status}`, { code: `http_${status}`, permanent })
  }
  if (truncated) throw new RuntimeError('too_large', `The file is larger than ${maxBytes} bytes`)
  return { content_type, filename: null, bytes: once(body) }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
