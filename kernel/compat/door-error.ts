import { RuntimeError } from '#sdk/errors.ts'

/**
 * A failure as other APIs' clients are to see it. They act on the status: what the provider found wrong with the request
 * is the caller's to mend and no reason to try again, and a provider's rate limit is a reason to wait.
 */
export function doorError(thrown: unknown): unknown {
  if (!(thrown instanceof RuntimeError) || thrown.kind !== 'upstream_failed') return thrown
  const { category, upstream_status: status, retry_after_seconds } = thrown.details ?? {}
  const details = retry_after_seconds === undefined ? undefined : { retry_after_seconds }
  const options = { cause: thrown }
  if (category === 'rate_limit') return new RuntimeError('rate_limited', thrown.message, details, options)
  if (category === 'timeout') return new RuntimeError('timeout', thrown.message, details, options)
  if (category !== 'rejected') return thrown
  if (status === 404) {
    return new RuntimeError('not_found', 'The provider does not know this model', { code: 'model_not_found' }, options)
  }
  return new RuntimeError('invalid', `The provider refused the request with HTTP ${status}`, undefined, options)
}
