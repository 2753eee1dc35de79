import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { testKey } from '../support/http-kernel.ts'
import { rssMb } from '../support/process-memory.ts'
import type { Bench, Figure } from './bench.ts'
import type { EventClientsReport } from './servers/event-clients.ts'
import type { EventServerOrder, EventServerReport } from './servers/event-server.ts'

const none = { goal: { atMost: 0 }, gross: { atMost: 0 } }
const eventBytes = 150
const settleMs = 1_000
/**
 * Beside a reader that stalls: events large enough to fill what the system buffers for it within seconds, and few enough
 * for the bus to keep all of them until it is back.
 */
const stall = { clients: 20, perSecond: 150, bytes: 4_000 }
const resumeMs = 30_000
/** One of two readers that stall comes back so soon that the goodbye to it is still there. */
const lateAfterSeconds = 20
/** More than the bus keeps. */
const fill = { perSecond: 3_000, events: 16_000 }

export const websocket: Bench = {
  about: 'events of the bus to clients of /ws: many at once, and beside one that never reads',
  async run({ quick, say }) {
    const seconds = quick ? 3 : 15
    const server = await startEventServer()
    try {
      const figures: Figure[] = []
      for (const [clients, perSecond, p99] of [
        [100, 200, 20],
        [1_000, 20, 250],
      ] as const) {
        say(`${clients} clients, ${perSecond} events a second`)
        figures.push(...(await fanOut(server, { clients, perSecond, seconds, p99 })))
      }
      say('a reader that stalls')
      figures.push(...(await stalledReader(server, { seconds, stallSeconds: quick ? 15 : 60 })))
      return figures
    } finally {
      server.child.disconnect()
      await server.ended
    }
  },
}

interface EventServer {
  child: ChildProcess
  url: string
  ended: Promise<unknown>
  publish(perSecond: number, bytes?: number): void
  report(): Promise<EventServerReport>
}

async function startEventServer(): Promise<EventServer> {
  const child = fork(new URL('servers/event-server.ts', import.meta.url))
  const [port] = (await once(child, 'message')) as [number]
  const tell = (order: EventServerOrder) => void child.send(order)
  return {
    child,
    url: `http://127.0.0.1:${port}`,
    ended: once(child, 'exit'),
    publish: (perSecond, bytes = eventBytes) => tell({ is: 'publish', perSecond, bytes }),
    report: () => answerOf(child, () => tell({ is: 'report' })),
  }
}

async function startClients(url: string, count: number) {
  const child = fork(new URL('servers/event-clients.ts', import.meta.url), [url, testKey, String(count)])
  await once(child, 'message')
  return {
    report: () => answerOf<EventClientsReport>(child, () => void child.send('report')),
    async close() {
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
    },
  }
}

async function answerOf<T>(child: ChildProcess, ask: () => void): Promise<T> {
  const answer = once(child, 'message')
  ask()
  return (await answer)[0] as T
}

interface FanOut {
  clients: number
  perSecond: number
  seconds: number
  /** The goal, in milliseconds. */
  p99: number
}

async function fanOut(server: EventServer, { clients, perSecond, seconds, p99 }: FanOut): Promise<Figure[]> {
  const group = await startClients(server.url, clients)
  server.publish(perSecond)
  await delay(settleMs)
  await Promise.all([group.report(), server.report()])
  await delay(seconds * 1000)
  const { cpuMs } = await server.report()
  const seen = await group.report()
  server.publish(0)
  await group.close()
  const at = `${clients} clients × ${perSecond} a second`
  return [
    { what: `${at}: lost without a gap`, value: seen.lost + seen.closed, unit: 'count', ...none },
    { what: `${at}: frames`, value: seen.frames / seconds, unit: 'per second' },
    { what: `${at}: from publish to client`, value: seen.p50, unit: 'ms p50' },
    { what: `${at}: from publish to client`, value: seen.p99, unit: 'ms p99', goal: { atMost: p99 } },
    { what: `${at}: the server's CPU`, value: cpuMs / (seconds * 10), unit: '% of a core', goal: { atMost: 50 } },
  ]
}

async function stalledReader(
  server: EventServer,
  { seconds, stallSeconds }: { seconds: number; stallSeconds: number },
): Promise<Figure[]> {
  await fillRing(server)
  const others = await startClients(server.url, stall.clients)
  server.publish(stall.perSecond, stall.bytes)
  await delay(settleMs)
  await others.report()
  const rssBefore = await mostRss(server, seconds)
  const before = await others.report()

  const lazy = await openReader(server.url)
  const late = await openReader(server.url)
  for (const { socket } of [lazy, late]) socket.pause()
  const lateSeconds = Math.min(lateAfterSeconds, stallSeconds)
  const rssAtFirst = await mostRss(server, lateSeconds)
  const closed = once(late.socket, 'close')
  late.socket.resume()
  const [code] = (await closed) as [number]
  const rssBeside = Math.max(rssAtFirst, await mostRss(server, stallSeconds - lateSeconds))
  const during = await others.report()
  server.publish(0)
  lazy.socket.terminate()

  const { seq: newest } = await server.report()
  const again = await openReader(server.url, late.last)
  const until = performance.now() + resumeMs
  while (again.last < newest && performance.now() < until) await delay(20)
  again.socket.terminate()
  await others.close()
  return [
    {
      what: 'two stalled readers: the server grows by',
      value: rssBeside - rssBefore,
      unit: 'MB RSS',
      goal: { atMost: 16 },
    },
    {
      what: 'stalled reader that comes back: closed with another code than 1013',
      value: Number(code !== 1013),
      unit: 'count',
      ...none,
    },
    {
      what: 'stalled reader: numbers missing after it resumes',
      value: missing(again, late.last, newest),
      unit: 'count',
      ...none,
    },
    { what: 'stalled reader: gaps it is told of', value: again.gaps, unit: 'count', goal: { atMost: 0 } },
    {
      what: "others' p99 beside it, to that before",
      value: during.p99 / before.p99,
      unit: 'ratio',
      goal: { atMost: 1.2 },
    },
    { what: 'lost by others', value: during.lost + during.closed, unit: 'count', ...none },
  ]
}

/** The events that the bus keeps for those who resume are not the stalled reader's: they are there before. */
async function fillRing(server: EventServer): Promise<void> {
  const { seq } = await server.report()
  server.publish(fill.perSecond, stall.bytes)
  while ((await server.report()).seq < seq + fill.events) await delay(100)
  server.publish(0)
}

async function mostRss({ child }: EventServer, seconds: number): Promise<number> {
  let most = 0
  for (let second = 0; second < seconds; second++) {
    await delay(1_000)
    most = Math.max(most, rssMb(child.pid ?? 0))
  }
  return most
}

interface Reader {
  socket: WebSocket
  /** The newest sequence number it has seen. */
  last: number
  received: number
  gaps: number
}

async function openReader(url: string, since?: number): Promise<Reader> {
  const query = since === undefined ? '' : `?since=${since}`
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws${query}`, { headers: { 'x-api-key': testKey } })
  const reader: Reader = { socket, last: since ?? 0, received: 0, gaps: 0 }
  socket.on('message', (data) => {
    const { type, seq, to } = JSON.parse(data.toString()) as { type: string; seq: number; to: number }
    if (type === 'connected') {
      if (since === undefined) reader.last = seq
      return
    }
    if (type === 'gap') reader.gaps += 1
    else reader.received += 1
    reader.last = type === 'gap' ? to : seq
  })
  await once(socket, 'open')
  return reader
}

/** Numbers after `since` that came neither as events nor under a gap. */
function missing({ received, gaps, last }: Reader, since: number, newest: number): number {
  if (last < newest) return newest - last
  return gaps > 0 ? 0 : Math.max(0, newest - since - received)
}
