import { PlatformError } from './platform-error.ts'

const maxAnswerBytes = 4 * 1024 * 1024
const dayMs = 86_400_000

export interface PlatformRequest {
  method?: 'GET' | 'POST' | 'PUT'
  headers?: Record<string, string>
  /** Text, or the pieces of a file. */
  body?: string | AsyncIterable<Uint8Array>
  /** Of the answer. */
  maxBytes?: number
  signal: AbortSignal
}

export interface PlatformAnswer {
  status: number
  headers: Headers
  /** undefined where it is no JSON. */
  json: unknown
}

/**
 * Asks a platform at the address that the settings name. Redirects are answers like others: they are not followed, so a
 * secret goes nowhere else. What is thrown names neither the address nor the headers, either of which may hold one.
 */
export async function askPlatform(url: string, request: PlatformRequest): Promise<PlatformAnswer> {
  const { maxBytes = maxAnswerBytes } = request
  const response = await openPlatform(url, request)
  try {
    const body = await readBody(response, maxBytes)
    return { status: response.status, headers: response.headers, json: parseJson(body) }
  } catch (thrown) {
    throw asPlatformError(thrown, request.signal)
  }
}

/** An answer that goes on: its status, and its body piece by piece. */
export async function streamPlatform(
  url: string,
  request: PlatformRequest,
): Promise<{ status: number; body: AsyncIterable<Uint8Array> }> {
  const { status, body } = await openPlatform(url, request)
  async function* pieces() {
    try {
      yield* body ?? []
    } catch (thrown) {
      throw asPlatformError(thrown, request.signal)
    }
  }
  return { status, body: pieces() }
}

/** The same with the body still to be read. */
async function openPlatform(url: string, { signal, ...request }: PlatformRequest): Promise<Response> {
  try {
    const { method = 'GET', headers = {}, body } = request
    const sent = body === undefined ? {} : { body, duplex: 'half' as const }
    return await fetch(url, { method, headers, redirect: 'manual', signal, ...sent })
  } catch (thrown) {
    throw asPlatformError(thrown, signal)
  }
}

/** How long the platform asks to wait, in ms; null where it does not say. */
export function retryAfterMs(headers: Headers): number | null {
  const given = headers.get('retry-after')
  if (given === null || given.trim() === '') return null
  const seconds = Number(given)
  const waitMs = Number.isNaN(seconds) ? Date.parse(given) - Date.now() : seconds * 1_000
  return Number.isFinite(waitMs) ? Math.min(dayMs, Math.max(0, Math.ceil(waitMs))) : null
}

async function readBody({ body }: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body ?? []) {
    length += chunk.byteLength
    if (length > maxBytes) {
      throw new PlatformError('The answer is longer than can be read', { code: 'answer_too_long', permanent: false })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** undici says 'fetch failed' and puts the reason beneath it; what the stream of a file threw comes as it was. */
function asPlatformError(thrown: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  if (!(thrown instanceof TypeError)) return thrown
  const { cause } = thrown
  if (cause instanceof PlatformError) return cause
  if (cause instanceof Error && !('code' in cause)) return cause
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreachable'
  return new PlatformError(`The platform could not be reached: ${code}`, { code, permanent: false })
}
