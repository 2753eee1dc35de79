import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { MessageChannel, Worker } from 'node:worker_threads'
import { onTestFinished } from 'vitest'
import { RuntimeError } from '#sdk/errors.ts'
import type { Channel } from '#sdk/rpc/channel.ts'
import { memoryChannelPair } from '#sdk/rpc/memory-channel.ts'
import { Peer } from '#sdk/rpc/peer.ts'
import { portChannel } from '#sdk/rpc/port-channel.ts'
import { socketChannel } from '#sdk/rpc/socket-channel.ts'
import type { Client } from '#sdk/service.ts'
import { probe, probeKernel } from './probe-contract.ts'
import { probeHandlers } from './probe-handlers.ts'

const entry = fileURLToPath(new URL('./probe.ts', import.meta.url))
const threadEntry = new URL('./probe-thread.ts', import.meta.url)
/** What the near end reads of one frame, in bytes. */
export const nearFrameBytes = 1024 * 1024

/** The probe service at the far end of a channel. */
export interface ProbeChannel {
  channel: Channel
  /** Ends the far side without a word. */
  cut: () => void
}

/** The service in this process. */
export async function openInMemory(): Promise<ProbeChannel> {
  const [near, far] = memoryChannelPair()
  const peer = new Peer(far, { maxFrameBytes: nearFrameBytes })
  peer.serve(
    probe,
    probeHandlers(peer.connect(probeKernel), (text) => far.send(text)),
  )
  peer.answerControl('$/ping', () => ({}))
  onTestFinished(() => near.close())
  return { channel: near, cut: () => far.close() }
}

/** The service in a process of its own, on the fourth descriptor. */
export async function openProcess(): Promise<ProbeChannel> {
  const child: ChildProcess = spawn(process.execPath, [entry], { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] })
  const channel = socketChannel(child.stdio[3] as Duplex, { maxFrameBytes: nearFrameBytes })
  const ended = once(child, 'exit')
  onTestFinished(async () => {
    channel.close()
    await ended
  })
  const { promise: greeted, resolve } = Promise.withResolvers<void>()
  channel.onFrame((frame) => frame.includes('$/hello') && resolve())
  await Promise.race([greeted, ended.then(() => Promise.reject(new Error('The probe ended before it greeted')))])
  return { channel, cut: () => child.kill('SIGKILL') }
}

/** The service on a thread of its own, over a message port. */
export async function openThread(): Promise<ProbeChannel> {
  const { port1, port2 } = new MessageChannel()
  const worker = new Worker(threadEntry, { workerData: port2, transferList: [port2] })
  const channel = portChannel(port1)
  onTestFinished(async () => {
    channel.close()
    await worker.terminate()
  })
  return { channel, cut: () => void worker.terminate() }
}

export interface ProbeLink extends ProbeChannel {
  peer: Peer
  client: Client<typeof probe>
  /** What the service told the kernel, in order. */
  notes: string[]
  faults: string[]
  handlerFailures: string[]
}

/** A peer at the near end, as the kernel has one. */
export async function linkTo(open: () => Promise<ProbeChannel>): Promise<ProbeLink> {
  const far = await open()
  const notes: string[] = []
  const faults: string[] = []
  const handlerFailures: string[] = []
  const peer = new Peer(far.channel, {
    onFault: (message) => faults.push(message),
    onHandlerFailure: (method) => handlerFailures.push(method),
  })
  peer.serve(probeKernel, {
    note({ text }) {
      notes.push(text)
      if (text === 'refuse') throw new RuntimeError('forbidden', 'The kernel says no', { why: 'a test' })
      return text.toUpperCase()
    },
    breakDown() {
      throw new Error('the details of a failure')
    },
  })
  await peer.control('$/ping', 10_000)
  return { ...far, peer, client: peer.connect(probe), notes, faults, handlerFailures }
}
