import { Agent, request } from 'undici'

export interface LoadResult {
  requests: number
  failed: number
  /** Milliseconds. */
  p50: number
  p99: number
  perSecond: number
}

export interface Target {
  url: string
  headers?: Record<string, string>
  /** Sent as JSON with POST; GET without one. */
  body?: unknown
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** Asks one after the other on each of `connections`, for `seconds`; every answer is read to its end. */
export async function load(
  { url, headers = {}, body }: Target,
  connections: number,
  seconds: number,
): Promise<LoadResult> {
  const dispatcher = new Agent({ connections, pipelining: 1 })
  const text = body === undefined ? undefined : JSON.stringify(body)
  const times: number[] = []
  let failed = 0
  const startedAt = performance.now()
  const until = startedAt + seconds * 1000

  async function caller() {
    while (performance.now() < until) {
      const askedAt = performance.now()
      const answer = await request(url, {
        dispatcher,
        method: text === undefined ? 'GET' : 'POST',
        headers: text === undefined ? headers : { 'content-type': 'application/json', ...headers },
        ...(text === undefined ? {} : { body: text }),
      })
      await answer.body.dump()
      times.push(performance.now() - askedAt)
      if (answer.statusCode !== 200) failed += 1
    }
  }

  await Promise.all(Array.from({ length: connections }, caller))
  const elapsed = (performance.now() - startedAt) / 1000
  await dispatcher.close()
  times.sort((left, right) => left - right)
  return {
    requests: times.length,
    failed,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    perSecond: times.length / elapsed,
  }
}

export function median(values: readonly number[]): number {
  return percentile(
    [...values].sort((left, right) => left - right),
    0.5,
  )
}
