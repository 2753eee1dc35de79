import { z } from 'zod'
import { errorTable, RuntimeError, toRuntimeError } from '#sdk/errors.ts'
import type { ErrorStyle } from '#sdk/route.ts'
import { errorBodies } from './error-styles.ts'
import { clientErrorText, serverErrorText } from './error-text.ts'
import { issuesError } from './issues.ts'

/** An answer for something that was thrown. */
export interface Problem {
  status: number
  headers: Record<string, string>
  body: Record<string, unknown>
  /** Worth a line in the log: the caller was told less than there is to know. */
  fault: RuntimeError | undefined
}

/** The one place that turns anything thrown into an answer. */
export function problemOf(thrown: unknown, style: ErrorStyle): Problem {
  const error = asRuntimeError(thrown)
  const { status } = errorTable[error.kind]
  const details = error.details ?? {}
  const isInternal = error.kind === 'internal'
  const text = status >= 500 ? serverErrorText(error.message) : clientErrorText(error.message)
  const facts = isInternal
    ? { kind: error.kind, status, text: errorTable.internal.title, details: {} }
    : { kind: error.kind, status, text, details }
  const headers: Record<string, string> = {}
  if (typeof details.retry_after_seconds === 'number') {
    headers['retry-after'] = String(Math.max(0, Math.ceil(details.retry_after_seconds)))
  }
  if (status === 401) headers['www-authenticate'] = 'Bearer realm="keel"'
  return { status, headers, body: errorBodies[style](facts), fault: status >= 500 ? error : undefined }
}

function asRuntimeError(thrown: unknown): RuntimeError {
  if (thrown instanceof z.ZodError) return issuesError(thrown)
  // Express throws this for a path that is not valid percent-encoding.
  if (thrown instanceof URIError) return new RuntimeError('invalid', 'path: is not valid percent-encoding')
  return toRuntimeError(thrown)
}
