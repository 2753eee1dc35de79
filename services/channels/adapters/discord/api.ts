import { DiscordAPIError, HTTPError, RateLimitError, type RawFile, REST, type RouteLike } from '@discordjs/rest'
import { z } from 'zod'
import { PlatformError } from '../../platform-error.ts'
import { snowflake } from './inbound.ts'

const requestMs = 30_000
const maxReasonLength = 300
/** Refusals with a client error's status that pass by themselves: slow mode, write limits, an overloaded or shielded API. */
const passingCodes = new Set([20016, 20028, 20029, 40062, 40333, 130000])
const passingStatuses = new Set([408, 425, 429])

export interface DiscordRequest {
  method: 'GET' | 'POST' | 'PATCH'
  route: RouteLike
  body?: unknown
  files?: RawFile[]
  query?: URLSearchParams
  signal: AbortSignal
}

/** Discord's HTTP API. The library keeps to its rate limits and refuses what would exceed them; nothing is tried twice. */
export class DiscordApi {
  /** For the gateway. */
  readonly rest: REST
  readonly #token: string

  constructor({ token, api_url }: { token: string; api_url: string }) {
    this.#token = token
    const api = api_url.replace(/\/+$/, '')
    this.rest = new REST({ version: '10', api, retries: 0, timeout: requestMs, rejectOnRateLimit: () => true })
    this.rest.setToken(token)
  }

  /** Throws a PlatformError for what Discord refuses. */
  async request({ method, route, body, files, query, signal }: DiscordRequest): Promise<unknown> {
    // The library forgets a token once it was refused, and would not ask again.
    this.rest.setToken(this.#token)
    try {
      const more = { ...(files && { files }), ...(query && { query }) }
      return await this.rest.request({ method: method as never, fullRoute: route, body, signal, ...more })
    } catch (thrown) {
      throw asPlatformError(thrown)
    }
  }

  /** The bot itself. */
  async identity(signal: AbortSignal): Promise<{ id: string; username: string }> {
    return read(ownUser, await this.request({ method: 'GET', route: '/users/@me', signal }))
  }
}

const ownUser = z.object({ id: snowflake, username: z.string().max(256) })

export function read<T>(schema: z.ZodType<T>, answer: unknown): T {
  const { success, data } = schema.safeParse(answer)
  if (success) return data
  throw new PlatformError('Discord gave an answer that can not be read', {
    code: 'unreadable_answer',
    permanent: false,
  })
}

/** The library's errors carry the request, and with it tokens of interactions: they are no cause of ours. */
export function asPlatformError(thrown: unknown): unknown {
  if (thrown instanceof RateLimitError) {
    const retryAfterMs = Math.max(0, Math.ceil(thrown.retryAfter))
    return new PlatformError('Discord limits the rate', { code: 'rate_limited', permanent: false, retryAfterMs })
  }
  if (thrown instanceof HTTPError) {
    const { status } = thrown
    return new PlatformError(`Discord answered with HTTP ${status}`, { code: `http_${status}`, permanent: false })
  }
  if (!(thrown instanceof DiscordAPIError)) return thrown
  const { code, status, message } = thrown
  // Without a code of Discord's own it was something in between that refused.
  const spoken = typeof code === 'number'
  const permanent = spoken && !passingCodes.has(code) && !passingStatuses.has(status)
  return new PlatformError(`Discord refused: ${message.slice(0, maxReasonLength)}`, {
    code: spoken && code !== 0 ? String(code) : `http_${status}`,
    permanent,
  })
}
