import { redactText } from '#sdk/redact.ts'
import type { ProviderSettings } from '#sdk/services/inference.ts'

type ProviderSecrets = Pick<ProviderSettings, 'api_key' | 'extra_headers'>

/**
 * What may go wrong with a provider. `text` is what the user reads; `breaker` says what it does to the provider's
 * breaker; `retry` whether the same target is worth another try; `quality` whether it speaks against the model.
 */
export const failureTable = {
  breaker: { text: 'provider temporarily unavailable', breaker: 'none', retry: false, quality: false },
  budget: { text: 'no budget pays for this provider', breaker: 'none', retry: false, quality: false },
  no_provider: { text: 'no provider configured for this model', breaker: 'none', retry: false, quality: false },
  authentication: { text: 'provider authentication error', breaker: 'auth', retry: false, quality: false },
  rate_limit: { text: 'provider rate limit reached', breaker: 'cooldown', retry: false, quality: false },
  quota: { text: 'provider quota or billing issue', breaker: 'credit', retry: false, quality: false },
  server: { text: 'provider server error', breaker: 'count', retry: true, quality: true },
  connection: { text: 'network error reaching provider', breaker: 'count', retry: false, quality: true },
  reset: { text: 'network error reaching provider', breaker: 'count', retry: true, quality: true },
  timeout: { text: 'network error reaching provider', breaker: 'count', retry: false, quality: true },
  conflict: { text: 'provider error', breaker: 'count', retry: false, quality: false },
  rejected: { text: 'provider error', breaker: 'none', retry: false, quality: false },
  invalid_answer: { text: 'provider error', breaker: 'count', retry: false, quality: true },
  empty_answer: { text: 'provider error', breaker: 'none', retry: false, quality: true },
  too_large: { text: 'provider error', breaker: 'none', retry: false, quality: false },
} as const satisfies Record<
  string,
  { text: string; breaker: 'none' | 'count' | 'cooldown' | 'auth' | 'credit'; retry: boolean; quality: boolean }
>

export type FailureCategory = keyof typeof failureTable

export interface FailureFacts {
  /** HTTP status, where there was one. */
  status?: number
  /** From Retry-After. */
  retryAfterMs?: number
  /** The setting that limited it, for timeouts. */
  limitedBy?: string
}

/** A provider did not answer as it should. The message is for the log alone; users read the category's text. */
export class UpstreamFailure extends Error {
  readonly category: FailureCategory
  readonly facts: FailureFacts

  constructor(category: FailureCategory, message: string, facts: FailureFacts = {}, options?: ErrorOptions) {
    super(logLine(message), options)
    this.name = 'UpstreamFailure'
    this.category = category
    this.facts = facts
  }
}

const maxLogLineChars = 200
/** The longest Retry-After that is honoured, in milliseconds. */
const maxRetryAfterMs = 60_000
const quotaText =
  /insufficient.quota|exceeded your current quota|billing|credit balance|out of credits|payment required/i

/** The failure that an HTTP status and the error's own words amount to. */
export function failureOfStatus(
  status: number,
  words: string,
  headers: Record<string, string | string[] | undefined> = {},
): UpstreamFailure {
  return new UpstreamFailure(categoryOfStatus(status, words), `HTTP ${status}: ${words}`, {
    status,
    retryAfterMs: parseRetryAfter(headers['retry-after-ms'], headers['retry-after']),
  })
}

function categoryOfStatus(status: number, words: string): FailureCategory {
  if (status === 402) return 'quota'
  // A used-up account is told as 429 by some and as 400 or 403 by others.
  if ([400, 403, 429].includes(status) && quotaText.test(words)) return 'quota'
  if (status === 401 || status === 403) return 'authentication'
  if (status === 429) return 'rate_limit'
  if (status === 409) return 'conflict'
  if (status === 408 || status >= 500) return 'server'
  return 'rejected'
}

const kindCategories: [RegExp, FailureCategory][] = [
  [quotaText, 'quota'],
  [/authentication|permission|invalid_api_key|unauthenticated/i, 'authentication'],
  [/rate.?limit|resource_exhausted/i, 'rate_limit'],
  [/invalid_request|invalid_argument|context_length|not_found|request_too_large/i, 'rejected'],
]

/** The failure that an error object inside a 200 answer amounts to: its type and code are all there is to go by. */
export function failureOfErrorObject(kind: string, message: string, status?: number): UpstreamFailure {
  if (status !== undefined && status >= 400) return failureOfStatus(status, `${kind} ${message}`)
  const category = kindCategories.find(([shape]) => shape.test(kind))?.[1] ?? 'server'
  return new UpstreamFailure(category, `${kind}: ${message}`)
}

/** Codes of errors that were raised before anything reached the other side. */
const connectCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ERR_INVALID_URL',
  'UND_ERR_INVALID_ARG',
])

/** Anything thrown while talking to a provider, as a failure. */
export function toUpstreamFailure(thrown: unknown): UpstreamFailure {
  if (thrown instanceof UpstreamFailure) return thrown
  const code = errorCode(thrown)
  if (code !== undefined && connectCodes.has(code)) {
    return new UpstreamFailure('connection', code, {}, { cause: thrown })
  }
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return new UpstreamFailure('timeout', code, {}, { cause: thrown })
  }
  // What the parser of HTTP refuses it would refuse again.
  if (code === 'UND_ERR_HEADERS_OVERFLOW' || (thrown instanceof Error && thrown.name === 'HTTPParserError')) {
    return new UpstreamFailure('invalid_answer', String(thrown), {}, { cause: thrown })
  }
  return new UpstreamFailure('reset', code ?? String(thrown), {}, { cause: thrown })
}

function errorCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined
  if ('code' in thrown && typeof thrown.code === 'string') return thrown.code
  return errorCode(thrown.cause)
}

/** Milliseconds to wait, from `retry-after-ms` or from `retry-after` in seconds or as a date. */
function parseRetryAfter(
  milliseconds: string | string[] | undefined,
  value: string | string[] | undefined,
): number | undefined {
  const asMs = typeof milliseconds === 'string' ? Number(milliseconds) : Number.NaN
  const seconds = typeof value === 'string' && value !== '' ? Number(value) : Number.NaN
  const date = typeof value === 'string' ? Date.parse(value) - Date.now() : Number.NaN
  const wait = [asMs, seconds * 1000, date].find((candidate) => Number.isFinite(candidate))
  return wait === undefined ? undefined : Math.min(Math.max(wait, 0), maxRetryAfterMs)
}

/** The first line of a provider's words, without secrets, short enough for a log. */
export function logLine(text: string): string {
  return (redactText(text).split(/[\r\n]/, 1)[0] ?? '').slice(0, maxLogLineChars)
}

/** Shorter header values are words rather than secrets. */
const minSecretChars = 8

/** The text without the provider's key and header values, as they are or as they stand in an address. */
export function withoutSecrets(text: string, { api_key: key, extra_headers: headers }: ProviderSecrets): string {
  const secrets = Object.values(headers).filter((value) => value.length >= minSecretChars)
  if (key) secrets.push(key)
  const forms = secrets.flatMap((secret) => {
    const inAddress = new URLSearchParams({ secret }).toString().slice('secret='.length)
    return [secret, inAddress, encodeURIComponent(secret)]
  })
  return forms.reduce((rest, form) => rest.replaceAll(form, '***'), text)
}
