import type { z } from 'zod'
import type { FetchRequest, fetchAnswer, ToolSettings } from '#sdk/services/tools.ts'

/** What the far end says of the answer that a guest may know. */
const toldHeaders = new Set([
  'content-type',
  'content-language',
  'date',
  'etag',
  'last-modified',
  'retry-after',
  'link',
])
const toldPrefixes = ['x-ratelimit', 'ratelimit']

/** A request of a guest that the kernel has judged, through the egress guard. */
export async function fetchForGuest(
  { url, method, headers, body, max_bytes, timeout_ms, only_hosts, allowed_hosts }: FetchRequest,
  { settings, signal }: { settings: ToolSettings; signal: AbortSignal },
): Promise<z.infer<typeof fetchAnswer>> {
  const { guardedFetch } = await import('#sdk/egress/guarded-fetch.ts')
  const answer = await guardedFetch(url, {
    method,
    body: body ?? undefined,
    headers,
    signal,
    maxBytes: max_bytes,
    timeoutMs: timeout_ms,
    onlyHosts: only_hosts,
    allowedHosts: [...settings.allowed_hosts, ...allowed_hosts],
  })
  const told = Object.entries(answer.headers).filter(
    ([name]) => toldHeaders.has(name) || toldPrefixes.some((prefix) => name.startsWith(prefix)),
  )
  return {
    status: answer.status,
    url: answer.url,
    headers: Object.fromEntries(told),
    body: answer.body.toString('utf8'),
    truncated: answer.truncated,
  }
}
