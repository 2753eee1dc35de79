import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Daemon } from './daemon.ts'

/** A run as it stands in the database. */
export interface RunRow {
  id: string
  job_id: string
  status: string
  trigger: string
  scheduled_for: string
  missed_until: string | null
  missed_count: number | null
  attempt: number
  error: string | null
  turn_id: string | null
  started_at: string | null
}

/** What a home's database says, read beside the kernel. */
export function readHome<T = RunRow>(home: string, text: string, ...values: unknown[]): T[] {
  const db = new Database(join(home, 'keel.db'), { readonly: true, timeout: 5_000 })
  try {
    return db.prepare(text).all(...values) as T[]
  } finally {
    db.close()
  }
}

/** Of a service that is at work; null while it is not. */
export async function pidOf({ client }: Pick<Daemon, 'client'>, name: string): Promise<number | null> {
  const { services } = await client.services.listServices()
  return services.find((service) => service.name === name && service.state === 'ready')?.pid ?? null
}

/** The times of a grid that no row stands for, or that more than one does. */
export function gridFaults(rows: readonly RunRow[], everyMs: number): { lost: string[]; doubled: string[] } {
  const times = rows.flatMap(({ scheduled_for, missed_until, missed_count }) => {
    const first = Date.parse(scheduled_for)
    const last = missed_until === null ? first : Date.parse(missed_until)
    const count = (last - first) / everyMs + 1
    if (missed_count !== null && missed_count !== count)
      throw new Error(`a row counts ${missed_count} occurrences where ${count} lie between its ends`)
    return Array.from({ length: count }, (_, at) => first + at * everyMs)
  })
  const seen = new Map<number, number>()
  for (const at of times) seen.set(at, (seen.get(at) ?? 0) + 1)
  const [first, last] = [Math.min(...times), Math.max(...times)]
  const lost: string[] = []
  for (let at = first; at <= last; at += everyMs) if (!seen.has(at)) lost.push(new Date(at).toISOString())
  const doubled = [...seen].filter(([, count]) => count > 1).map(([at]) => new Date(at).toISOString())
  return { lost, doubled }
}

export interface Hook {
  url: string
  /** host:port, as the egress guard is told of it. */
  host: string
  /** The idempotency key of each call, in the order of arrival. */
  keys: string[]
  /** From now on nobody is answered. */
  fallSilent(): void
  close(): Promise<void>
}

/** Something that jobs call, and that writes down who called. */
export async function startHook(): Promise<Hook> {
  const keys: string[] = []
  let isSilent = false
  const server = createServer((request, response) => {
    keys.push(String(request.headers['idempotency-key']))
    request.resume()
    if (!isSilent) response.end('heard')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `http://${host}/hook`,
    host,
    keys,
    fallSilent: () => {
      isSilent = true
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
