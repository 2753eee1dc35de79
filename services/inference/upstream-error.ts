import { RuntimeError } from '#sdk/errors.ts'
import type { InferenceResult } from '#sdk/services/inference.ts'
import { failureTable, type UpstreamFailure } from './failure.ts'

export type Failures = InferenceResult['failures']

/** What the caller is told: the category in words, and the setting that a user could change. */
export function upstreamError(failure: UpstreamFailure, failures: Failures, midway: boolean): RuntimeError {
  const { category, facts } = failure
  const limit = facts.limitedBy ? ` (limited by ${facts.limitedBy})` : ''
  const place = midway ? ' in the middle of the answer' : ''
  return new RuntimeError(
    'upstream_failed',
    `${failureTable[category].text}${place}${limit}`,
    {
      category,
      failures,
      ...(facts.status === undefined ? {} : { upstream_status: facts.status }),
      ...(facts.retryAfterMs === undefined ? {} : { retry_after_seconds: Math.ceil(facts.retryAfterMs / 1000) }),
    },
    { cause: failure },
  )
}
