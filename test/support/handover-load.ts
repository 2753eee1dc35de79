import { request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Daemon } from './daemon.ts'

/** What callers leave of the machine to whom they call. */
const pauseMs = 10

type Reachable = Pick<Daemon, 'url' | 'apiKey'>

export interface Strangers {
  /** Requests that were answered with 200. */
  readonly answered: number
  /** When, by `performance.now()`. */
  answeredAt: number[]
  /** What went wrong, in words; `refused` where nobody listened. */
  failures: string[]
  /** The longest wait for an answer, in milliseconds. */
  readonly longestMs: number
  stop(): Promise<void>
}

/** So many callers that ask one question after the other, each on a new connection. */
export function startStrangers({ url, apiKey }: Reachable, count: number): Strangers {
  const failures: string[] = []
  const answeredAt: number[] = []
  let answered = 0
  let longestMs = 0
  let over = false

  function ask(path: string): Promise<void> {
    const startedAt = performance.now()
    return new Promise((resolve) => {
      const settle = (failure?: string) => {
        longestMs = Math.max(longestMs, performance.now() - startedAt)
        if (failure === undefined) {
          answered += 1
          answeredAt.push(performance.now())
        } else failures.push(failure)
        resolve()
      }
      const asked = request(url + path, { agent: false, headers: { 'x-api-key': apiKey } }, (response) => {
        response.resume()
        response.once('end', () => settle(response.statusCode === 200 ? undefined : `${path}: ${response.statusCode}`))
        response.once('error', (error) => settle(`${path}: ${error.message}`))
      })
      asked.once('error', (error: NodeJS.ErrnoException) =>
        settle(error.code === 'ECONNREFUSED' ? 'refused' : `${path}: ${error.message}`),
      )
      asked.end()
    })
  }

  async function keepAsking() {
    while (!over) {
      await ask('/api/health')
      await ask('/api/sessions?limit=5')
      await delay(pauseMs)
    }
  }

  const callers = Promise.all(Array.from({ length: count }, keepAsking))
  return {
    failures,
    answeredAt,
    get answered() {
      return answered
    },
    get longestMs() {
      return longestMs
    },
    async stop() {
      over = true
      await callers
    },
  }
}
