import { request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { WebSocket } from 'ws'
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

export interface SeenEvent {
  seq: number
  type: string
}

export interface ResumingWatcher {
  /** Every numbered event in the order of its arrival. */
  events: SeenEvent[]
  /** The codes with which connections were closed. */
  codes: number[]
  close(): void
}

/** A client of /ws that comes back where it was as soon as its connection is closed. */
export function startResumingWatcher({ url, apiKey }: Reachable): ResumingWatcher {
  const events: SeenEvent[] = []
  const codes: number[] = []
  let last: { seq: number; epoch: string } | undefined
  let socket: WebSocket
  let closing = false

  function open() {
    const resume = last ? `?since=${last.seq}&epoch=${last.epoch}` : ''
    socket = new WebSocket(`${url.replace('http', 'ws')}/ws${resume}`, { headers: { 'x-api-key': apiKey } })
    socket.on('message', (data) => {
      const { seq, epoch, type } = JSON.parse(String(data)) as { seq: number; epoch: string; type: string }
      if (type === 'connected') {
        last ??= { seq, epoch }
        return
      }
      if (last) last.seq = seq
      events.push({ seq, type })
    })
    socket.on('error', () => {})
    socket.on('close', (code) => {
      codes.push(code)
      if (!closing) open()
    })
  }

  open()
  return {
    events,
    codes,
    close() {
      closing = true
      socket.terminate()
    },
  }
}

/** Numbers that do not follow the one before. */
export function holesIn(events: readonly SeenEvent[]): string[] {
  return events.slice(1).flatMap(({ seq, type }, at) => {
    const before = events[at]
    return before && seq === before.seq + 1 ? [] : [`${type} ${seq} after ${before?.type} ${before?.seq}`]
  })
}
