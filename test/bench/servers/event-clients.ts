import { once } from 'node:events'
import { WebSocket } from 'ws'
import { quantile } from '../quantile.ts'

/*
 * Clients of `/ws` in a process of their own: url, key and how many as arguments. Each message asks for a report of what
 * was seen since the one before.
 */

export interface EventClientsReport {
  frames: number
  /** Sequence numbers that are missing between two frames and that no `gap` admits. */
  lost: number
  gaps: number
  closed: number
  /** From the publisher's clock to this process's, in milliseconds. */
  p50: number
  p99: number
}

const [url = '', key = '', count = '1'] = process.argv.slice(2)
/** One latency in so many frames is kept. */
const sampling = 7

let seen = { frames: 0, lost: 0, gaps: 0, closed: 0 }
let latencies: number[] = []

async function connect() {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, { headers: { 'x-api-key': key } })
  let last: number | undefined
  socket.on('message', (data) => {
    // Reading the two fields by hand: parsing tens of thousands of texts a second would be what is measured.
    const text = data.toString()
    const seq = Number(/"seq":(\d+)/.exec(text)?.[1])
    if (text.includes('"type":"connected"')) {
      last = seq
      return
    }
    if (text.includes('"type":"gap"')) {
      seen.gaps += 1
      last = Number(/"to":(\d+)/.exec(text)?.[1])
      return
    }
    if (last !== undefined && seq > last + 1) seen.lost += seq - last - 1
    last = seq
    seen.frames += 1
    if (seen.frames % sampling !== 0) return
    const sentAt = Number(/"agent_id":"([\d.]+)\|/.exec(text)?.[1])
    if (sentAt > 0) latencies.push(performance.timeOrigin + performance.now() - sentAt)
  })
  socket.on('close', () => {
    seen.closed += 1
  })
  await once(socket, 'open')
}

for (let begun = 0; begun < Number(count); begun += 50)
  await Promise.all(Array.from({ length: Math.min(50, Number(count) - begun) }, connect))
process.send?.('connected')
process.on('disconnect', () => process.exit(0))
process.on('message', () => {
  const report: EventClientsReport = { ...seen, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) }
  seen = { frames: 0, lost: 0, gaps: 0, closed: 0 }
  latencies = []
  process.send?.(report)
})
