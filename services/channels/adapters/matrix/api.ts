import { z } from 'zod'
import { PlatformError } from '../../platform-error.ts'
import { askPlatform, type PlatformRequest, retryAfterMs } from '../../platform-http.ts'

/** Codes of the specification that time mends; all others of it are for good. */
const passingCodes = new Set(['M_LIMIT_EXCEEDED', 'M_RESOURCE_LIMIT_EXCEEDED', 'M_USER_LOCKED'])
const maxReasonLength = 300

const refusal = z.object({
  errcode: z.string().regex(/^[A-Za-z0-9_.]{1,128}$/),
  error: z.string().catch(''),
  retry_after_ms: z.number().min(0).nullish().catch(null),
})

export const userId = z
  .string()
  .regex(/^@[^:\s]*:\S+$/)
  .max(255)
export const roomId = z
  .string()
  .regex(/^!\S+$/)
  .max(255)
export const eventId = z
  .string()
  .regex(/^\$\S+$/)
  .max(255)

export interface MatrixRequest extends Omit<PlatformRequest, 'signal' | 'body'> {
  /** Segments below `/_matrix`, as they are meant; they are encoded here. */
  path: readonly string[]
  query?: Record<string, string>
  /** Sent as JSON. */
  content?: unknown
  file?: { bytes: AsyncIterable<Uint8Array>; sizeBytes: number; contentType: string }
}

/** The client-server API, version 3. The access token goes in a header, and so into no address and no error. */
export class MatrixApi {
  /** Without a slash at its end. */
  readonly homeserver: URL
  readonly #token: string

  constructor({ access_token, homeserver_url }: { access_token: string; homeserver_url: string }) {
    this.#token = access_token
    this.homeserver = new URL(homeserver_url)
  }

  get authorization(): { authorization: string } {
    return { authorization: `Bearer ${this.#token}` }
  }

  /** Below the homeserver's address, whatever the segments contain. */
  address(path: readonly string[], query: Record<string, string> = {}): string {
    const url = new URL(this.homeserver)
    const segments = path.map((segment) => encodeURIComponent(segment))
    url.pathname = `${url.pathname.replace(/\/+$/, '')}/_matrix/${segments.join('/')}`
    url.search = new URLSearchParams(query).toString()
    return url.href
  }

  /** What the homeserver answers, as the schema reads it. Throws a PlatformError for what it refuses. */
  async ask<T>(
    schema: z.ZodType<T>,
    { path, query, content, file, ...request }: MatrixRequest,
    signal: AbortSignal,
  ): Promise<T> {
    const headers: Record<string, string> = { ...this.authorization }
    if (content !== undefined) headers['content-type'] = 'application/json'
    if (file) {
      headers['content-type'] = file.contentType
      // Homeservers take no upload whose length they are not told.
      headers['content-length'] = String(file.sizeBytes)
    }
    const body = file?.bytes ?? (content === undefined ? undefined : JSON.stringify(content))
    const sent = { ...request, headers, signal, ...(body !== undefined && { body }) }
    const answer = await askPlatform(this.address(path, query), sent)
    if (answer.status !== 200) throw this.#refusal(answer)
    const { success, data } = schema.safeParse(answer.json)
    if (success) return data
    throw new PlatformError('The homeserver gave an answer that can not be read', {
      code: 'unreadable_answer',
      permanent: false,
    })
  }

  /** The account that the token belongs to. */
  async whoAmI(signal: AbortSignal): Promise<string> {
    const path = ['client', 'v3', 'account', 'whoami']
    const { user_id } = await this.ask(z.object({ user_id: userId }), { path }, signal)
    return user_id
  }

  #refusal({ status, headers, json }: Awaited<ReturnType<typeof askPlatform>>): PlatformError {
    const { data } = refusal.safeParse(json)
    // Without a code of Matrix it was something in between that refused.
    if (!data) {
      const retry = { permanent: false, retryAfterMs: retryAfterMs(headers) }
      return new PlatformError(`The homeserver answered with HTTP ${status}`, { code: `http_${status}`, ...retry })
    }
    const { errcode, error, retry_after_ms } = data
    const words = error.replaceAll(this.#token, '***').slice(0, maxReasonLength)
    const passing = passingCodes.has(errcode) || status >= 500 || status === 429
    return new PlatformError(`The homeserver refused: ${errcode} ${words}`.trimEnd(), {
      code: errcode,
      permanent: !passing,
      retryAfterMs: passing ? (retryAfterMs(headers) ?? retry_after_ms ?? null) : null,
    })
  }
}
