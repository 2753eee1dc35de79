import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { createEventBus } from '#kernel/events/bus.ts'
import { Tickets } from '#kernel/http/tickets.ts'
import { createEventSockets } from '#kernel/http/websocket.ts'
import { openWritable } from '#kernel/store/database.ts'
import { eventsMigration } from '#kernel/store/migrations/0020-events.ts'
import { startHttpKernel } from '../../support/http-kernel.ts'

/*
 * The kernel's event bus, its journal and the `/ws` door in a process of their own, which publishes as it is told.
 */

export type EventServerOrder =
  /** So many events a second, each padded to about so many bytes, until told otherwise. */
  { is: 'publish'; perSecond: number; bytes: number } | { is: 'report' }

export interface EventServerReport {
  /** The newest sequence number. */
  seq: number
  /** Since the last report. */
  cpuMs: number
  published: number
}

const tickMs = 5
/** The goodbye to a reader that has stalled waits for it, so that the bench hears the code. */
const limits = { closeGraceMs: 120_000 }

const dir = mkdtempSync(join(tmpdir(), 'keel-events-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
const db = openWritable(join(dir, 'keel.db'), 'normal')
eventsMigration.up(db)
const log = pino({ enabled: false })
const bus = createEventBus({ db, log })
const kernel = await startHttpKernel(
  {},
  {},
  {
    settings: { global: 1e9, perIp: 1e9, perActor: 1e9 },
    upgrade: ({ gate, origins }) =>
      createEventSockets({ bus, gate, origins, tickets: new Tickets(), topics: {}, version: 'bench', log, limits })
        .upgrade,
  },
)
process.send?.(kernel.port)
process.on('disconnect', () => process.exit(0))

let timer: NodeJS.Timeout | undefined
let published = 0
let cpuBefore = process.cpuUsage()

/** As many as are due by the clock, however late the timer comes. */
function publishAtRate(perSecond: number, bytes: number) {
  clearInterval(timer)
  if (perSecond === 0) return
  const padding = 'x'.repeat(bytes)
  const startedAt = performance.now()
  let sent = 0
  timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) / 1000) * perSecond)
    for (; sent < due; sent++) {
      bus.publish('agent_started', { agent_id: `${performance.timeOrigin + performance.now()}|${padding}` })
      published += 1
    }
  }, tickMs)
}

process.on('message', (order: EventServerOrder) => {
  if (order.is === 'publish') return publishAtRate(order.perSecond, order.bytes)
  const { user, system } = process.cpuUsage(cpuBefore)
  cpuBefore = process.cpuUsage()
  const report: EventServerReport = { seq: bus.position.seq, cpuMs: (user + system) / 1000, published }
  published = 0
  process.send?.(report)
})
