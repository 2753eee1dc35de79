import { setTimeout as delay } from 'node:timers/promises'
import { MessageChannel, Worker } from 'node:worker_threads'
import { RuntimeError } from '#sdk/errors.ts'
import { startHeartbeat } from '#sdk/rpc/heartbeat.ts'
import { Peer, type PeerOptions } from '#sdk/rpc/peer.ts'
import { portChannel } from '#sdk/rpc/port-channel.ts'
import type { Client, ServiceHandlers } from '#sdk/service.ts'
import type { AdapterState } from '#sdk/services/channels.ts'
import {
  type AdapterBrief,
  adapterService,
  hello,
  hostForAdapter,
  pulse,
  type ThreadStart,
} from '../adapter-contract.ts'
import { backOffMs, type ChannelTimes } from '../times.ts'

const entry = new URL('../adapter-worker.ts', import.meta.url)
/** What one adapter may hold in its heap. */
const resourceLimits = { maxOldGenerationSizeMb: 192, maxYoungGenerationSizeMb: 32 }
/** What it may hold beside its heap, in buffers. */
const maxExternalBytes = 256 * 1024 * 1024

export interface ThreadOptions {
  brief: AdapterBrief
  times: ChannelTimes
  handlers: ServiceHandlers<typeof hostForAdapter>
  /** It is not started before. */
  after: Promise<unknown>
  /** The adapter can be called. */
  onReady: (mode: AdapterState['mode']) => void
  onActivity: (at: string) => void
  /** It ended unasked, and is started again after the wait. */
  onCrash: (reason: unknown, waitMs: number) => void
  faults: Pick<PeerOptions, 'onFault' | 'onHandlerFailure'>
}

type AdapterClient = Client<typeof adapterService>

/** One thread at a time: when it ends it is started again, after a wait that grows. */
export class AdapterThread {
  readonly #options: ThreadOptions
  readonly #closing = new AbortController()
  #worker: Worker | undefined
  #peer: Peer | undefined
  #client = Promise.withResolvers<AdapterClient>()
  #restartAt: number | null = null
  #readyAt: number | null = null
  #crashes = 0

  constructor(options: ThreadOptions) {
    this.#options = options
    options.after.then(() => this.#start())
  }

  /** Times in a row that it ended unasked. */
  get crashes(): number {
    return this.#hasStood() ? 0 : this.#crashes
  }

  /** Waits for a thread that is starting; `unavailable` while one waits to be started again. */
  async client(signal: AbortSignal): Promise<AdapterClient> {
    this.#assertUp()
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<AdapterClient>()
    const give = () => reject(signal.reason)
    signal.addEventListener('abort', give, { once: true })
    this.#client.promise.then(resolve, reject)
    const client = await promise.finally(() => signal.removeEventListener('abort', give))
    // Who stops it waits for calls that were sent, and knows of no others.
    this.#assertUp()
    return client
  }

  /** Lets calls under way come to their end, within bounds, and ends it for good. */
  async stop(): Promise<void> {
    this.#closing.abort()
    const { brief, times } = this.#options
    this.#refuse(unavailable(brief, times.restart.firstMs))
    const [worker, peer] = [this.#worker, this.#peer]
    if (!worker || !peer) return
    if (this.#readyAt !== null) {
      const finished = Promise.allSettled([peer.control('$/stop', times.drainMs), peer.idle()])
      await Promise.race([finished, delay(times.drainMs, undefined, { ref: false })])
    }
    await worker.terminate()
  }

  #assertUp(): void {
    const { brief, times } = this.#options
    if (this.#restartAt !== null) throw unavailable(brief, this.#restartAt - performance.now())
    // A thread's wire ends a moment before the thread does.
    if (this.#closing.signal.aborted || this.#peer?.isClosed) throw unavailable(brief, times.restart.firstMs)
  }

  #start(): void {
    if (this.#closing.signal.aborted) return
    const { brief, times, handlers, onReady, onActivity, onCrash, faults } = this.#options
    this.#restartAt = null
    const { port1, port2 } = new MessageChannel()
    const start: ThreadStart = { brief, times, port: port2 }
    const worker = new Worker(entry, { name: brief.name, workerData: start, transferList: [port2], resourceLimits })
    const peer = new Peer(portChannel(port1), faults)
    this.#worker = worker
    this.#peer = peer
    let reason: unknown
    let stopHeartbeat = () => {}
    const end = (why: string) => {
      reason ??= new Error(why)
      void worker.terminate()
    }
    const late = setTimeout(() => end(`It did not start within ${times.readyMs} ms`), times.readyMs)

    peer.serve(hostForAdapter, handlers)
    peer.onNotice('$/hello', (given) => {
      clearTimeout(late)
      const { data } = hello.safeParse(given)
      if (!data) return end('It does not say how it receives')
      this.#readyAt = performance.now()
      stopHeartbeat = startHeartbeat(
        peer,
        { everyMs: times.heartbeatMs, misses: times.heartbeatMisses },
        {
          onAnswer: (answer) => {
            const { data } = pulse.safeParse(answer)
            if (data && data.external_bytes > maxExternalBytes) end('It holds too much memory')
            if (data?.last_activity) onActivity(data.last_activity)
          },
          onSilence: () => end('It hangs'),
        },
      )
      onReady(data.mode)
      this.#client.resolve(peer.connect(adapterService))
    })
    worker.on('error', (thrown) => {
      reason ??= thrown
    })
    worker.once('exit', (code) => {
      clearTimeout(late)
      stopHeartbeat()
      peer.close()
      this.#worker = undefined
      if (this.#closing.signal.aborted) return
      this.#crashes = this.#hasStood() ? 1 : this.#crashes + 1
      this.#readyAt = null
      const waitMs = backOffMs(times.restart, this.#crashes)
      this.#restartAt = performance.now() + waitMs
      this.#refuse(unavailable(brief, waitMs))
      onCrash(reason ?? new Error(`It ended with code ${code}`), waitMs)
      delay(waitMs, undefined, { signal: this.#closing.signal }).then(
        () => this.#start(),
        () => {}, // It was stopped meanwhile.
      )
    })
  }

  /** Whoever waits for the thread waits no longer. */
  #refuse(reason: RuntimeError): void {
    this.#client.promise.catch(() => {})
    this.#client.reject(reason)
    this.#client = Promise.withResolvers()
  }

  #hasStood(): boolean {
    return this.#readyAt !== null && performance.now() - this.#readyAt >= this.#options.times.healthyMs
  }
}

function unavailable({ name }: AdapterBrief, waitMs: number): RuntimeError {
  const retry_after_seconds = Math.max(0, Math.ceil(waitMs / 1_000))
  return new RuntimeError('unavailable', `The adapter of ${name} is being started again`, { retry_after_seconds })
}
