import type { SendOutcome } from '#sdk/channels/message.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { ErrorText } from '../error-text.ts'
import { PlatformError } from '../platform-error.ts'

const maxCodeLength = 128

/** What is not known to be for good is tried again. */
export function outcomeOf(thrown: unknown, errorText: ErrorText): SendOutcome {
  const error = errorText(thrown)
  if (!(thrown instanceof PlatformError)) return { status: 'retry', error, code: null, retry_after_ms: null }
  const code = thrown.code.slice(0, maxCodeLength)
  if (thrown.permanent) return { status: 'failed', error, code }
  return { status: 'retry', error, code, retry_after_ms: wholeMs(thrown.retryAfterMs) }
}

/** As it may leave the thread: what a platform says keeps its code, what is ours its kind, and all of it hides secrets. */
export function leavingError(thrown: unknown, errorText: ErrorText): RuntimeError {
  const message = errorText(thrown)
  if (thrown instanceof RuntimeError) return new RuntimeError(thrown.kind, message, thrown.details)
  if (!(thrown instanceof PlatformError)) return new RuntimeError('upstream_failed', message)
  return new RuntimeError('upstream_failed', message, {
    code: thrown.code.slice(0, maxCodeLength),
    permanent: thrown.permanent,
    retry_after_ms: wholeMs(thrown.retryAfterMs),
  })
}

function wholeMs(waitMs: number | null): number | null {
  return waitMs !== null && waitMs >= 0 && Number.isFinite(waitMs) ? Math.ceil(waitMs) : null
}
