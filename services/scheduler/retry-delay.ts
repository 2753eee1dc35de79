const firstMs = 60_000
const longestMs = 3_600_000
const jitter = 0.2

/** How long a run waits after so many attempts: a minute, doubling up to an hour, give or take a fifth. */
export function retryDelay(attempt: number, random: () => number = Math.random): number {
  const spread = 1 - jitter + 2 * jitter * random()
  return Math.round(Math.min(longestMs, firstMs * 2 ** (attempt - 1) * spread))
}
