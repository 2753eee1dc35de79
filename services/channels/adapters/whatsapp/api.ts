import { z } from 'zod'
import { PlatformError } from '../../platform-error.ts'
import { askPlatform, type PlatformAnswer, type PlatformRequest, retryAfterMs } from '../../platform-http.ts'

const maxReasonLength = 300
/** Codes that time mends: limits of rate, spam and pairs, maintenance, and failures of Meta's own. */
const passingCodes = new Set([
  ...[1, 2, 4, 17, 32, 341, 613, 80007],
  ...[130429, 131000, 131016, 131048, 131056, 131057, 133004],
])
const passingStatuses = new Set([408, 425, 429])

/** What Meta's own words do not make plain. */
const sentences: Readonly<Record<number, string>> = {
  190: 'WhatsApp does not take the access token: it has expired, was revoked or was never valid',
  131026: 'WhatsApp can not deliver to this number',
  131047: 'More than 24 hours have passed since this person last wrote: until they write, WhatsApp delivers nothing',
  131051: 'WhatsApp does not take this type of message',
}

const refusal = z.object({
  error: z.object({
    code: z.number().int(),
    message: z.string().catch(''),
    is_transient: z.boolean().optional().catch(undefined),
    error_data: z.object({ details: z.string() }).optional().catch(undefined),
  }),
})

/** A number or a medium, as Meta names it. */
export const graphId = z.string().regex(/^\w{1,128}$/)

export interface GraphRequest extends Pick<PlatformRequest, 'method'> {
  /** Below the API's address: ids, and the names of what belongs to them. */
  path: readonly string[]
  query?: Record<string, string>
  /** Sent as JSON. */
  content?: unknown
  form?: { bytes: AsyncIterable<Uint8Array>; sizeBytes: number; contentType: string }
}

/** Meta's Graph API, as far as WhatsApp's Cloud API uses it. The token goes in a header. */
export class GraphApi {
  readonly root: string
  readonly #token: string

  constructor({ token, api_url }: { token: string; api_url: string }) {
    this.root = api_url.replace(/\/+$/, '')
    this.#token = token
  }

  get authorization(): { authorization: string } {
    return { authorization: `Bearer ${this.#token}` }
  }

  /** Throws a PlatformError for what is refused. */
  async ask<T>(
    schema: z.ZodType<T>,
    { method, path, query = {}, content, form }: GraphRequest,
    signal: AbortSignal,
  ): Promise<T> {
    const headers: Record<string, string> = { ...this.authorization }
    if (content !== undefined) headers['content-type'] = 'application/json'
    if (form) Object.assign(headers, { 'content-type': form.contentType, 'content-length': String(form.sizeBytes) })
    const body = form?.bytes ?? (content === undefined ? undefined : JSON.stringify(content))
    const search = new URLSearchParams(query).toString()
    const url = `${this.root}/${path.map(encodeURIComponent).join('/')}${search === '' ? '' : `?${search}`}`
    const answer = await askPlatform(url, { ...(method && { method }), headers, signal, ...(body && { body }) })
    if (answer.status !== 200) throw this.#refusal(answer)
    const { success, data } = schema.safeParse(answer.json)
    if (success) return data
    throw new PlatformError('WhatsApp gave an answer that can not be read', {
      code: 'unreadable_answer',
      permanent: false,
    })
  }

  #refusal({ status, headers, json }: PlatformAnswer): PlatformError {
    const wait = retryAfterMs(headers)
    const { data } = refusal.safeParse(json)
    if (!data) {
      // Something in between has spoken, and not WhatsApp.
      const message = `WhatsApp answered with HTTP ${status}`
      return new PlatformError(message, { code: `http_${status}`, permanent: false, retryAfterMs: wait })
    }
    const { code, message, is_transient, error_data } = data.error
    const passing = is_transient === true || passingCodes.has(code) || passingStatuses.has(status) || status >= 500
    const words = (error_data?.details ?? message).replaceAll(this.#token, '***').slice(0, maxReasonLength)
    return new PlatformError(sentenceFor(code, words), { code: String(code), permanent: !passing, retryAfterMs: wait })
  }
}

/** What an error of WhatsApp means; `words` are Meta's own. */
export function sentenceFor(code: number, words: string): string {
  return sentences[code] ?? `WhatsApp refused: ${words}`
}
