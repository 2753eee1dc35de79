import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Peer } from '#sdk/rpc/peer.ts'
import { socketChannel } from '#sdk/rpc/socket-channel.ts'
import type { Bench } from './bench.ts'
import { quantile } from './quantile.ts'
import { echoService } from './servers/echo-contract.ts'

const depth = 64
/** About 1 KB a message, both ways. */
const text = 'x'.repeat(1_000)

export const rpcHop: Bench = {
  about: 'a call from one process to another and back, 1 KB each way, against bare bytes over the same kind of socket',
  async run({ quick }) {
    const calls = quick ? 5_000 : 30_000
    const bytesPerSecond = await bareBytes(calls)
    const child = startChild('echo.ts')
    const peer = new Peer(socketChannel(wireOf(child)))
    await new Promise<void>((resolve) => peer.onNotice('$/hello', () => resolve()))
    await peer.control('$/ping', 5_000)
    const client = peer.connect(echoService)
    try {
      for (let n = 0; n < calls; n++) await client.echo({ text, n })
      const times: number[] = []
      for (let n = 0; n < calls; n++) {
        const askedAt = performance.now()
        await client.echo({ text, n })
        times.push(performance.now() - askedAt)
      }
      let left = calls * 4
      const cpuBefore = process.cpuUsage()
      const startedAt = performance.now()
      await Promise.all(
        Array.from({ length: depth }, async () => {
          while (left-- > 0) await client.echo({ text, n: left })
        }),
      )
      const seconds = (performance.now() - startedAt) / 1000
      const { user, system } = process.cpuUsage(cpuBefore)
      const perSecond = (calls * 4) / seconds
      return [
        { what: 'one call at a time', value: quantile(times, 0.5), unit: 'ms p50', goal: { atMost: 0.15 } },
        { what: 'one call at a time', value: quantile(times, 0.99), unit: 'ms p99', goal: { atMost: 0.5 } },
        { what: `${depth} in flight`, value: perSecond, unit: 'per second', goal: { atLeast: 40_000 } },
        {
          what: `${depth} in flight, the kernel's side`,
          value: (user + system) / (calls * 4),
          unit: 'µs CPU',
          goal: { atMost: 10 },
        },
        {
          what: 'bare bytes are faster by',
          value: bytesPerSecond / perSecond,
          unit: 'ratio',
          goal: { atMost: 4 },
          gross: { atMost: 20 },
        },
      ]
    } finally {
      const ended = once(child, 'exit')
      peer.close()
      await ended
    }
  },
}

/** The floor: as many kilobytes there and back, with nothing done to them. */
async function bareBytes(messages: number): Promise<number> {
  const child = startChild('echo-bytes.ts')
  const wire = wireOf(child)
  const total = messages * 4
  const message = Buffer.alloc(text.length, 'x')
  let returned = 0
  const startedAt = performance.now()
  await new Promise<void>((resolve) => {
    let sent = 0
    const send = () => {
      if (sent < total) wire.write(message)
      sent += 1
    }
    wire.on('data', (bytes: Buffer) => {
      const before = Math.floor(returned / message.length)
      returned += bytes.length
      const after = Math.floor(returned / message.length)
      for (let n = before; n < after; n++) send()
      if (after >= total) resolve()
    })
    for (let n = 0; n < depth; n++) send()
  })
  const perSecond = total / ((performance.now() - startedAt) / 1000)
  const ended = once(child, 'exit')
  wire.end()
  await ended
  return perSecond
}

function startChild(name: string): ChildProcess {
  const entry = fileURLToPath(new URL(`servers/${name}`, import.meta.url))
  return spawn(process.execPath, [entry], { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] })
}

function wireOf(child: ChildProcess): Duplex {
  return child.stdio[3] as Duplex
}
