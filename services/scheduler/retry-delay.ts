import { jitter } from '#sdk/jitter.ts'

const firstMs = 60_000
const longestMs = 3_600_000

/** How long a run waits after so many attempts: a minute, doubling up to an hour, give or take a fifth. */
export function retryDelay(attempt: number, random?: () => number): number {
  return Math.round(Math.min(longestMs, firstMs * 2 ** (attempt - 1) * jitter(random)))
}
