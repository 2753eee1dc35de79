import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { bodyOf } from './platforms/faults.ts'

const waitMs = 10_000

export interface HookCall {
  headers: IncomingHttpHeaders
  body: string
}

/** A place on loopback that takes webhooks. */
export interface HookReceiver {
  url: string
  /** Answers the next with this status. */
  refuseNext(status: number): void
  /** The oldest that has not been looked at. */
  next(): Promise<HookCall>
  close(): Promise<void>
}

export async function startHookReceiver(): Promise<HookReceiver> {
  const calls: HookCall[] = []
  const refusals: number[] = []
  const events = new EventEmitter()
  const server = createServer(async (request, response) => {
    calls.push({ headers: request.headers, body: (await bodyOf(request)).toString() })
    response.writeHead(refusals.shift() ?? 200).end('{"ok":true}')
    events.emit('call')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    refuseNext(status) {
      refusals.push(status)
    },
    async next() {
      const signal = AbortSignal.timeout(waitMs)
      for (;;) {
        const call = calls.shift()
        if (call) return call
        await once(events, 'call', { signal })
      }
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
