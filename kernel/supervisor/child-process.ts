import { type ChildProcess as NodeChild, spawn } from 'node:child_process'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import { newId } from '#sdk/ids.ts'
import { type Channel, maxServiceFrameBytes } from '#sdk/rpc/channel.ts'
import { startHeartbeat } from '#sdk/rpc/heartbeat.ts'
import { Peer } from '#sdk/rpc/peer.ts'
import { socketChannel } from '#sdk/rpc/socket-channel.ts'
import { type SpanBatch, spanBatch, spansNotice } from '#sdk/telemetry/span-batch.ts'
import { childEnv } from './child-env.ts'
import { refusalOf } from './greeting.ts'
import { readLogLines } from './log-lines.ts'
import { watchMemory } from './memory-watch.ts'
import { forgetChild, recordChild } from './orphans.ts'
import type { ServiceSpec } from './spec.ts'
import { WireFaults } from './wire-faults.ts'

const mebibyte = 1024 * 1024
/** From the word to stop until SIGTERM, and from there until the signal that can not be ignored. */
const stopGraceMs = 1_500
const termGraceMs = 500
/** What a process sent before it ended is read for so long after its end. */
const lastWordsMs = 250
/** A process whose wire has closed is about to end; it is helped after this time. */
const wirelessMs = 100
/** Over its limit in so many polls in a row, a child is replaced; over this many times the limit, it is ended. */
const memoryPolls = 3
const memoryKillFactor = 1.5

/** Messages that are wrong in themselves, and those that belong to no call: of these some are left over by each call given up. */
const maxFaults = 10
const maxStrays = 50_000

const leanImports = import.meta.resolve('#sdk/lean-imports.ts')

/** A line that a child wrote. */
export type LogListener = (service: string, line: string, stream: 'stdout' | 'stderr') => void

export interface ChildEvents {
  /** The process is gone, whoever ended it. */
  onExit: (reason: string) => void
  /** It has needed more memory than it should for a while. */
  onOverweight: () => void
  onLog: LogListener
  /** Spans of its work, as it tells them. */
  onSpans?: (pid: number, batch: SpanBatch) => void
  /** Something is wrong with what it sends, or with what was done for it. */
  onFault: (message: string, cause?: unknown) => void
}

/** One process of a service: from its spawn to its end. */
export class ChildProcess {
  readonly pid: number
  /** When it was ready, by the clock on the wall and by the one that is never set; 0 before. */
  readyAt = 0
  #readySince = 0
  rssBytes: number | null = null
  /** User and system time so far. */
  cpuSeconds: number | null = null
  /** Resolves with the reason once the process is gone and its last words are read. */
  readonly exited: Promise<string>
  readonly #spec: ServiceSpec
  readonly #process: NodeChild
  readonly #events: ChildEvents
  readonly #greeted: Promise<Peer>
  readonly #faults = new WireFaults(maxFaults)
  readonly #strays = new WireFaults(maxStrays)
  #peer: Peer | undefined
  #stopHeartbeat = () => {}
  #stopMemoryWatch = () => {}
  readonly #timers: NodeJS.Timeout[] = []
  #overweightPolls = 0
  #deathReason: string | undefined
  #leaving = false
  #hasExited = false
  #hasWorked = false

  constructor(spec: ServiceSpec, runDir: string, events: ChildEvents) {
    this.#spec = spec
    this.#events = events
    const { name } = spec.contract
    const entry = fileURLToPath(spec.entry)
    const mark = `${name}-${newId()}`
    const heapFlag = `--max-old-space-size=${Math.round(spec.memoryBytes / mebibyte)}`
    const flags = [heapFlag, '--import', leanImports, ...spec.nodeFlags]
    this.#process = spawn(process.execPath, [...flags, entry, mark], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      env: spec.bareEnv ? { ...spec.env } : childEnv(spec.env),
    })
    this.pid = this.#process.pid ?? 0
    const { stdout, stderr, stdio } = this.#process
    if (this.pid > 0) recordChild(runDir, this.pid, { name, entry, mark })
    if (stdout) readLogLines(stdout, (line) => events.onLog(name, line, 'stdout'))
    if (stderr) readLogLines(stderr, (line) => events.onLog(name, line, 'stderr'))
    if (spec.memoryWatchMs > 0) {
      this.#stopMemoryWatch = watchMemory(this.pid, spec.memoryWatchMs, (bytes) => {
        if (bytes > spec.memoryBytes) this.kill(this.#tooHeavy(bytes))
      })
    }
    // Without the descriptors for it there is no wire; the process says so by its error.
    const wire = stdio?.[3] as Duplex | undefined
    const channel =
      wire &&
      socketChannel(wire, {
        maxFrameBytes: maxServiceFrameBytes,
        onOversize: (bytes) => this.#fault(`dropped a message of ${bytes} bytes`),
      })
    channel?.onClose(() => this.#timers.push(setTimeout(() => this.kill('its connection closed'), wirelessMs)))
    this.exited = this.#watchExit(runDir, channel)
    this.#greeted = channel ? this.#greet(channel) : new Promise(() => {})
  }

  /** It has asked the kernel for more than what to start with. */
  get hasWorked(): boolean {
    return this.#hasWorked
  }

  /** For how long it has been ready, in milliseconds; 0 when it never was. */
  get readyMs(): number {
    return this.readyAt === 0 ? 0 : performance.now() - this.#readySince
  }

  /** Settles once the process has greeted and answers; throws with the reason otherwise, the process then being gone. */
  async ready(timeoutMs: number): Promise<Peer> {
    const { name } = this.#spec.contract
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => late.reject(new RuntimeError('unavailable', `${name} was not ready within ${timeoutMs} ms`)),
      timeoutMs,
    )
    try {
      const answering = this.#greeted.then(async (peer) => {
        await peer.control('$/ping', timeoutMs)
        return peer
      })
      const ended = this.exited.then((reason) => Promise.reject(new RuntimeError('unavailable', `${name} ${reason}`)))
      const peer = await Promise.race([answering, ended, late.promise])
      this.readyAt = Date.now()
      this.#readySince = performance.now()
      this.#watchHealth(peer)
      return peer
    } catch (thrown) {
      const why = reasonOf(thrown)
      // A wire closes before the end that closes it, and the end has more to say.
      const hasEnded = this.#peer?.isClosed
      if (!hasEnded) this.kill(why)
      const how = await this.exited
      throw new RuntimeError('unavailable', hasEnded ? `${name} ${how}` : why, undefined, { cause: thrown })
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * Lets the calls under way finish within `drainMs`, then ends the process: by word, then by force. Called again, the
   * shorter time holds.
   */
  async stop(drainMs: number): Promise<void> {
    if (!this.#hasExited) this.#timers.push(setTimeout(() => this.#leave(), drainMs))
    this.#peer?.idle().then(() => this.#leave())
    await this.exited
  }

  kill(reason: string): void {
    this.#deathReason ??= reason
    this.#process.kill('SIGKILL')
  }

  #leave(): void {
    if (this.#leaving || this.#hasExited) return
    this.#leaving = true
    this.#deathReason ??= 'stopped'
    this.#stopHeartbeat()
    this.#peer?.notify('$/stop')
    this.#timers.push(
      setTimeout(() => this.#process.kill('SIGTERM'), stopGraceMs),
      setTimeout(() => this.#process.kill('SIGKILL'), stopGraceMs + termGraceMs),
    )
  }

  #clearTimers(): void {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer)
  }

  async #watchExit(runDir: string, channel: Channel | undefined): Promise<string> {
    const closed = new Promise<void>((resolve) => channel?.onClose(() => resolve()))
    const how = await new Promise<string>((resolve) => {
      this.#process.on('error', (error: NodeJS.ErrnoException) => {
        // A running process reports a signal that could not be sent in the same way.
        if (this.pid === 0) resolve(`could not be started (${error.code ?? error.message})`)
      })
      this.#process.once('exit', (code, signal) =>
        resolve(signal ? `was ended by ${signal}` : `ended with code ${code}`),
      )
    })
    this.#stopHeartbeat()
    this.#stopMemoryWatch()
    this.#clearTimers()
    forgetChild(runDir, this.pid)
    const reason = this.#deathReason ? `${how}: ${this.#deathReason}` : how
    const lastWords = setTimeout(() => channel?.close(new Error(reason)), this.pid > 0 ? lastWordsMs : 0)
    if (channel) await closed
    clearTimeout(lastWords)
    this.#clearTimers()
    this.#hasExited = true
    this.#events.onExit(reason)
    return reason
  }

  /** Only a process that has greeted gets an answer, and what it may ask is what its own spec says. */
  #greet(channel: Channel): Promise<Peer> {
    return new Promise((resolve, reject) => {
      channel.onFrame((frame) => {
        channel.onFrame(() => {})
        const refusal = refusalOf(frame, this.#spec)
        if (refusal !== undefined) {
          reject(new RuntimeError('unavailable', refusal))
          return
        }
        this.#peer = new Peer(channel, {
          onFault: (message, cause) => this.#fault(message, cause),
          onStray: () => this.#count(this.#strays),
          onHandlerFailure: (method, cause) => this.#events.onFault(`${method} failed`, cause),
        })
        this.#peer.onNotice(spansNotice, (notice) => this.#takeSpans(notice))
        this.#peer.serve(this.#spec.kernel.contract, this.#notingWork(this.#spec.kernel.handlers))
        resolve(this.#peer)
      })
    })
  }

  #takeSpans(notice: unknown): void {
    const batch = spanBatch.safeParse(notice)
    if (batch.success) this.#events.onSpans?.(this.pid, batch.data)
    else this.#fault('it sent spans that are none')
  }

  #notingWork(handlers: ServiceSpec['kernel']['handlers']): ServiceSpec['kernel']['handlers'] {
    const noted = Object.entries(handlers).map(([name, handle]) => {
      const noting: typeof handle = (params, context) => {
        this.#hasWorked = true
        return handle(params, context)
      }
      return [name, name === 'start' ? handle : noting]
    })
    return Object.fromEntries(noted)
  }

  #watchHealth(peer: Peer): void {
    const { everyMs, misses } = this.#spec.heartbeat
    this.#stopHeartbeat = startHeartbeat(peer, this.#spec.heartbeat, {
      onAnswer: (answer) => this.#weigh(answer),
      onSilence: () => this.kill(`no answer to its heartbeat for ${everyMs * misses} ms`),
    })
  }

  #weigh(answer: unknown): void {
    const { rss_bytes, cpu_seconds } = (answer ?? {}) as { rss_bytes?: unknown; cpu_seconds?: unknown }
    if (typeof cpu_seconds === 'number' && cpu_seconds >= 0) this.cpuSeconds = cpu_seconds
    if (typeof rss_bytes !== 'number') return
    this.rssBytes = rss_bytes
    const limit = this.#spec.memoryBytes
    if (rss_bytes > limit * memoryKillFactor) this.kill(this.#tooHeavy(rss_bytes))
    this.#overweightPolls = rss_bytes > limit ? this.#overweightPolls + 1 : 0
    if (this.#overweightPolls >= memoryPolls) this.#events.onOverweight()
  }

  #tooHeavy(bytes: number): string {
    return `it used ${Math.round(bytes / mebibyte)} MiB of the ${Math.round(this.#spec.memoryBytes / mebibyte)} it may`
  }

  #fault(message: string, cause?: unknown): void {
    this.#events.onFault(message, cause)
    this.#count(this.#faults)
  }

  #count(faults: WireFaults): void {
    if (faults.count()) this.kill(faults.tooMany)
  }
}
