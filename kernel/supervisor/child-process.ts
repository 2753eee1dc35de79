import { type ChildProcess as NodeChild, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { RuntimeError } from '#sdk/errors.ts'
import { Peer } from '#sdk/rpc/peer.ts'
import { socketChannel } from '#sdk/rpc/socket-channel.ts'
import { fingerprint } from '#sdk/service.ts'
import { childEnv } from './child-env.ts'
import { readLogLines } from './log-lines.ts'
import { forgetChild, recordChild } from './orphans.ts'
import type { ServiceSpec } from './spec.ts'

const mebibyte = 1024 * 1024
/** What a child may send in one message. */
const maxFrameBytes = 8 * mebibyte
/** More faults on the wire than this in `babbleMs`, and the child is ended. */
const maxFaults = 10
const babbleMs = 10_000
/** From the word to stop until the signal that can not be ignored. */
const stopGraceMs = 2_000
/** Over its limit in so many polls in a row, a child is replaced; over this many times the limit, it is ended. */
const memoryPolls = 3
const memoryKillFactor = 1.5

/** A line that a child wrote. */
export type LogListener = (service: string, line: string, stream: 'stdout' | 'stderr') => void

export interface ChildEvents {
  /** The process is gone, whoever ended it. */
  onExit: (reason: string) => void
  /** It needs more memory than it should. */
  onOverweight: () => void
  onLog: LogListener
  onFault: (service: string, message: string, cause?: unknown) => void
}

/** One process of a service: from its spawn to its end. */
export class ChildProcess {
  readonly pid: number
  readonly peer: Peer
  /** When it answered its first ping, in milliseconds since the epoch; 0 before. */
  readyAt = 0
  rssBytes: number | null = null
  /** Resolves with the reason once the process is gone. */
  readonly exited: Promise<string>
  readonly #spec: ServiceSpec
  readonly #process: NodeChild
  readonly #events: ChildEvents
  readonly #greeting: Promise<void>
  #heartbeat: NodeJS.Timeout | undefined
  #faults: number[] = []
  #overweightPolls = 0
  #deathReason: string | undefined

  constructor(spec: ServiceSpec, runDir: string, events: ChildEvents) {
    this.#spec = spec
    this.#events = events
    const { name } = spec.contract
    const flags = [`--max-old-space-size=${Math.round(spec.memoryBytes / mebibyte)}`, ...spec.nodeFlags]
    this.#process = spawn(process.execPath, [...flags, fileURLToPath(spec.entry)], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      env: childEnv(spec.env),
    })
    this.pid = this.#process.pid ?? 0
    this.exited = this.#watchExit(runDir)
    if (this.#process.stdout) readLogLines(this.#process.stdout, (line) => events.onLog(name, line, 'stdout'))
    if (this.#process.stderr) readLogLines(this.#process.stderr, (line) => events.onLog(name, line, 'stderr'))
    if (this.pid > 0) recordChild(runDir, this.pid, name, spec.entry)

    const wire = this.#process.stdio[3] as Duplex
    const channel = socketChannel(wire, {
      maxFrameBytes,
      onOversize: (bytes) => this.#fault(`dropped a message of ${bytes} bytes`),
    })
    this.peer = new Peer(channel, { onFault: (message, cause) => this.#fault(message, cause) })
    this.peer.serve(spec.kernel.contract, spec.kernel.handlers)
    // A process without a wire is of no use and can not be told to end.
    channel.onClose(() => this.kill('its connection closed'))
    this.#greeting = this.#awaitGreeting()
  }

  /** Settles once the process has greeted and answers; throws with the reason otherwise, the process then being gone. */
  async ready(timeoutMs: number): Promise<void> {
    const startUp = new AbortController()
    try {
      await Promise.race([
        this.#greeting.then(() => this.peer.control('$/ping', timeoutMs)),
        this.exited.then((reason) => {
          throw new RuntimeError('unavailable', reason)
        }),
        delay(timeoutMs, undefined, { signal: startUp.signal }).then(() => {
          throw new RuntimeError('unavailable', `${this.#spec.contract.name} was not ready within ${timeoutMs} ms`)
        }),
      ])
    } catch (thrown) {
      this.kill(thrown instanceof Error ? thrown.message : String(thrown))
      throw thrown
    } finally {
      startUp.abort()
    }
    this.readyAt = Date.now()
    this.#startHeartbeat()
  }

  /** Lets the calls under way finish within `drainMs`, then ends the process: by word, then by force. */
  async stop(drainMs: number): Promise<void> {
    const until = Date.now() + drainMs
    while (this.peer.inFlight > 0 && Date.now() < until && this.#deathReason === undefined) await delay(20)
    this.#deathReason ??= 'stopped'
    clearInterval(this.#heartbeat)
    this.peer.notify('$/stop')
    const force = setTimeout(() => this.#process.kill('SIGKILL'), stopGraceMs)
    await this.exited
    clearTimeout(force)
  }

  kill(reason: string): void {
    this.#deathReason ??= reason
    this.#process.kill('SIGKILL')
  }

  async #watchExit(runDir: string): Promise<string> {
    const spawnFailed = once(this.#process, 'error').then(
      ([error]) => `could not be started: ${(error as Error).message}`,
    )
    const ended = once(this.#process, 'exit').then(([code, signal]) =>
      signal ? `was ended by ${signal}` : `ended with code ${code}`,
    )
    const how = await Promise.race([spawnFailed, ended])
    clearInterval(this.#heartbeat)
    forgetChild(runDir, this.pid)
    const reason = this.#deathReason ? `${how}: ${this.#deathReason}` : how
    this.peer.close(new Error(reason))
    this.#events.onExit(reason)
    return reason
  }

  #awaitGreeting(): Promise<void> {
    const { name } = this.#spec.contract
    const expected = fingerprint(this.#spec.contract, this.#spec.kernel.contract)
    return new Promise((resolve, reject) => {
      this.peer.onNotice('$/hello', (greeting) => {
        if (greeting.name !== name)
          reject(new RuntimeError('unavailable', `the process greets as ${String(greeting.name)}, not as ${name}`))
        else if (greeting.fingerprint !== expected)
          reject(new RuntimeError('unavailable', `${name} was built for another version of Keel`))
        else resolve()
      })
    })
  }

  #startHeartbeat(): void {
    const { everyMs, misses } = this.#spec.heartbeat
    let unanswered = 0
    this.#heartbeat = setInterval(() => {
      unanswered += 1
      if (unanswered > misses) {
        this.kill(`no answer to ${misses} pings`)
        return
      }
      this.peer.control('$/ping', everyMs * (misses + 1)).then(
        (answer) => {
          unanswered = 0
          this.#weigh(answer)
        },
        () => {}, // Silence is counted above; a closed wire ends the process by itself.
      )
    }, everyMs)
    this.#heartbeat.unref()
  }

  #weigh(answer: unknown): void {
    const { rss_bytes } = answer as { rss_bytes?: unknown }
    if (typeof rss_bytes !== 'number') return
    this.rssBytes = rss_bytes
    const limit = this.#spec.memoryBytes
    if (rss_bytes > limit * memoryKillFactor) this.kill(`it used ${Math.round(rss_bytes / mebibyte)} MiB`)
    this.#overweightPolls = rss_bytes > limit ? this.#overweightPolls + 1 : 0
    if (this.#overweightPolls === memoryPolls) this.#events.onOverweight()
  }

  #fault(message: string, cause?: unknown): void {
    const now = Date.now()
    this.#events.onFault(this.#spec.contract.name, message, cause)
    this.#faults = [...this.#faults.filter((at) => at > now - babbleMs), now]
    if (this.#faults.length > maxFaults)
      this.kill(`more than ${maxFaults} faults on the wire within ${babbleMs / 1000} s`)
  }
}
