import { once } from 'node:events'
import { WebSocket } from 'ws'
import type { Daemon } from '../support/daemon.ts'

export interface ServiceChange {
  service: string
  state: string
  pid: number | null
  /** By `performance.now()`, when the event arrived. */
  at: number
}

export interface Watchers {
  /** What the first watcher saw of the services. */
  changes: ServiceChange[]
  /** Events that all watchers together have got. */
  readonly events: number
  /** Connections that ended, and events that are missing between two that arrived. */
  readonly losses: number
  /** Resolves with the first change after `since` that fits. */
  sees(
    what: string,
    fits: (change: ServiceChange) => boolean,
    since: number,
    deadlineMs?: number,
  ): Promise<ServiceChange>
  close(): void
}

/** So many clients of /ws that take in everything. */
export async function startWatchers({ url, apiKey }: Pick<Daemon, 'url' | 'apiKey'>, count: number): Promise<Watchers> {
  const changes: ServiceChange[] = []
  const waiting = new Set<() => void>()
  let events = 0
  let losses = 0
  let closing = false

  async function open(isFirst: boolean): Promise<WebSocket> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, { headers: { 'x-api-key': apiKey } })
    let last: number | undefined
    socket.on('message', (data) => {
      const event = JSON.parse(String(data)) as { type: string; seq?: number } & Omit<ServiceChange, 'at'>
      if (typeof event.seq !== 'number') return
      if (event.type !== 'connected') {
        events += 1
        if (last !== undefined && event.seq !== last + 1) losses += 1
      }
      last = event.seq
      if (!isFirst || event.type !== 'service_state_changed') return
      const { service, state, pid } = event
      changes.push({ service, state, pid, at: performance.now() })
      for (const check of waiting) check()
    })
    socket.on('close', () => {
      if (!closing) losses += 1
    })
    await once(socket, 'open')
    return socket
  }

  const sockets = await Promise.all(Array.from({ length: count }, (_, index) => open(index === 0)))
  return {
    changes,
    get events() {
      return events
    },
    get losses() {
      return losses
    },
    sees(what, fits, since, deadlineMs = 10_000) {
      return new Promise((resolve, reject) => {
        const check = () => {
          const change = changes.find((candidate) => candidate.at > since && fits(candidate))
          if (!change) return
          settle()
          resolve(change)
        }
        const timer = setTimeout(() => {
          settle()
          reject(new Error(`${what}: not within ${deadlineMs} ms`))
        }, deadlineMs)
        const settle = () => {
          clearTimeout(timer)
          waiting.delete(check)
        }
        waiting.add(check)
        check()
      })
    },
    close() {
      closing = true
      for (const socket of sockets) socket.terminate()
    },
  }
}
