/** What may go wrong, said once: the JSON-RPC code, the HTTP status and whether the same call may succeed later. */
export const errorTable = {
  invalid: { code: -32602, status: 400, retry: false, title: 'The request is not valid' },
  unauthorized: { code: -32001, status: 401, retry: false, title: 'A valid API key is required' },
  budget_exhausted: { code: -32002, status: 402, retry: false, title: 'A budget is used up' },
  forbidden: { code: -32003, status: 403, retry: false, title: 'The request is not allowed' },
  not_found: { code: -32004, status: 404, retry: false, title: 'Not found' },
  method_not_allowed: { code: -32601, status: 405, retry: false, title: 'method not allowed' },
  conflict: { code: -32009, status: 409, retry: false, title: 'The request conflicts with the current state' },
  too_large: { code: -32013, status: 413, retry: false, title: 'The content is too large' },
  misdirected: { code: -32021, status: 421, retry: false, title: 'This host name is not served here' },
  unsupported_media: { code: -32015, status: 415, retry: false, title: 'unsupported content type' },
  unprocessable: { code: -32022, status: 422, retry: false, title: 'The content can not be processed' },
  rate_limited: { code: -32029, status: 429, retry: true, title: 'Too many requests' },
  cancelled: { code: -32800, status: 499, retry: false, title: 'The caller cancelled the request' },
  internal: { code: -32603, status: 500, retry: false, title: 'internal server error' },
  not_implemented: { code: -32050, status: 501, retry: false, title: 'Not implemented yet' },
  upstream_failed: { code: -32052, status: 502, retry: true, title: 'An upstream service failed' },
  outcome_unknown: {
    code: -32053,
    status: 502,
    retry: false,
    title: 'The call was interrupted and its outcome is unknown',
  },
  unavailable: { code: -32054, status: 503, retry: true, title: 'The service is unavailable' },
  timeout: { code: -32055, status: 504, retry: true, title: 'The deadline passed' },
} as const

export type ErrorKind = keyof typeof errorTable

/** Extra keys for the answer's body, such as `threat_score`; `retry_after_seconds` also becomes the Retry-After header. */
export type ErrorDetails = Record<string, unknown> & { retry_after_seconds?: number }

/** The one error that crosses walls. Its message is written for the caller; `cause` is for the log alone. */
export class RuntimeError extends Error {
  readonly kind: ErrorKind
  readonly details: ErrorDetails | undefined

  constructor(
    kind: ErrorKind,
    message: string = errorTable[kind].title,
    details?: ErrorDetails,
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.name = 'RuntimeError'
    this.kind = kind
    this.details = details
  }
}

/** Anything thrown, as a RuntimeError: what is not one of ours becomes `internal` and keeps its cause. */
export function toRuntimeError(thrown: unknown): RuntimeError {
  if (thrown instanceof RuntimeError) return thrown
  return new RuntimeError('internal', undefined, undefined, { cause: thrown })
}

/** What it says; of a value that is no error, the value itself as text. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

export function isErrorOf(thrown: unknown, ...kinds: ErrorKind[]): thrown is RuntimeError {
  return thrown instanceof RuntimeError && kinds.includes(thrown.kind)
}

const kindByCode = new Map<number, ErrorKind>(
  Object.entries(errorTable).map(([kind, { code }]) => [code, kind as ErrorKind]),
)

export function kindOfCode(code: number): ErrorKind {
  return kindByCode.get(code) ?? 'internal'
}
