import { Agent, request } from 'undici'
import { quantile } from './quantile.ts'

export interface Target {
  url: string
  headers?: Record<string, string>
  /** Sent as JSON with POST; GET without one. */
  body?: unknown
}

export interface LoadResult {
  requests: number
  failed: number
  /** To the last byte, in milliseconds. */
  p50: number
  p99: number
  /** To the first byte of the body, in milliseconds. */
  firstByteP50: number
  perSecond: number
}

/** Asks one after the other on each of `connections`, for `seconds`; every answer is read to its end. */
export async function load({ url, headers = {}, body }: Target, connections: number, seconds: number) {
  const dispatcher = new Agent({ connections, pipelining: 1 })
  const text = body === undefined ? undefined : JSON.stringify(body)
  const options = {
    dispatcher,
    method: text === undefined ? ('GET' as const) : ('POST' as const),
    headers: text === undefined ? headers : { 'content-type': 'application/json', ...headers },
    ...(text === undefined ? {} : { body: text }),
  }
  const times: number[] = []
  const firstBytes: number[] = []
  let failed = 0
  const startedAt = performance.now()
  const until = startedAt + seconds * 1000

  async function caller() {
    while (performance.now() < until) {
      const askedAt = performance.now()
      const answer = await request(url, options)
      let firstAt = 0
      answer.body.on('data', () => {
        firstAt ||= performance.now()
      })
      await new Promise<void>((resolve, reject) => answer.body.once('end', resolve).once('error', reject))
      const endedAt = performance.now()
      times.push(endedAt - askedAt)
      firstBytes.push(firstAt - askedAt)
      if (answer.statusCode !== 200) failed += 1
    }
  }

  await Promise.all(Array.from({ length: connections }, caller))
  const elapsed = (performance.now() - startedAt) / 1000
  await dispatcher.close()
  const result: LoadResult = {
    requests: times.length,
    failed,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    firstByteP50: quantile(firstBytes, 0.5),
    perSecond: times.length / elapsed,
  }
  return result
}
