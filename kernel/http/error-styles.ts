import type { ErrorDetails, ErrorKind } from '#sdk/errors.ts'
import type { ErrorStyle } from '#sdk/route.ts'

export interface ErrorFacts {
  kind: ErrorKind
  status: number
  /** Already fit for the caller. */
  text: string
  details: ErrorDetails
}

type ErrorBody = Record<string, unknown>

/** One body for each kind of client. */
export const errorBodies: Record<ErrorStyle, (facts: ErrorFacts) => ErrorBody> = {
  standard: ({ text, details }) => ({ ...details, error: text }),
  ok_false: ({ text, details }) => ({ ...details, ok: false, error: text }),
  openai: (facts) => ({ error: openaiError(facts) }),
  anthropic: (facts) => ({ type: 'error', error: { type: anthropicType(facts.status), message: sentence(facts) } }),
}

/** Below these paths everything, the outer layers included, answers as the clients of that API expect. */
export function errorStyleOfPath(path: string): ErrorStyle {
  if (path === '/v1' || path.startsWith('/v1/')) return 'openai'
  if (path === '/anthropic' || path.startsWith('/anthropic/')) return 'anthropic'
  return 'standard'
}

/** Auth and limits put a code word first and the sentence into `message`. */
function sentence({ text, details }: ErrorFacts): string {
  return typeof details.message === 'string' ? details.message : text
}

function openaiError(facts: ErrorFacts) {
  const { kind, status, details } = facts
  const type =
    kind === 'budget_exhausted'
      ? 'insufficient_quota'
      : status >= 500
        ? 'server_error'
        : status === 429
          ? 'rate_limit_exceeded'
          : 'invalid_request_error'
  return {
    message: sentence(facts),
    type: textOr(details.type, type),
    param: textOr(details.param, firstIssuePath(details)),
    code: textOr(details.code, openaiCode(facts)),
  }
}

function openaiCode({ kind, status }: ErrorFacts): string | null {
  if (kind === 'unauthorized') return 'invalid_api_key'
  if (kind === 'not_found') return 'model_not_found'
  if (kind === 'budget_exhausted') return 'insufficient_quota'
  if (status === 429) return 'rate_limit_exceeded'
  return null
}

const anthropicTypes = new Map([
  [401, 'authentication_error'],
  [402, 'billing_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [413, 'request_too_large'],
  [429, 'rate_limit_error'],
  [503, 'overloaded_error'],
  [504, 'timeout_error'],
])

function anthropicType(status: number): string {
  return anthropicTypes.get(status) ?? (status >= 500 ? 'api_error' : 'invalid_request_error')
}

function firstIssuePath({ issues }: ErrorDetails): string | null {
  const first: unknown = Array.isArray(issues) ? issues[0] : undefined
  const path = typeof first === 'object' && first !== null && 'path' in first ? first.path : null
  return typeof path === 'string' ? path : null
}

function textOr<T>(value: unknown, otherwise: T): string | T {
  return typeof value === 'string' ? value : otherwise
}
