import type { Logger } from 'pino'
import type { ServiceState } from '#sdk/contracts/services.ts'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import type { Peer } from '#sdk/rpc/peer.ts'
import type { Client } from '#sdk/service.ts'
import type { SpanBatch } from '#sdk/telemetry/span-batch.ts'
import { detached } from '#sdk/telemetry/tracing.ts'
import { ChildProcess, type LogListener } from './child-process.ts'
import { RestartBudget } from './restart-budget.ts'
import type { ServiceSpec } from './spec.ts'

/** A process that has been ready this long has shown that it can run. */
const steadyMs = 1_000
/** A process over its memory limit is replaced no sooner than this after another was. */
const overweightPauseMs = 30_000

export interface SuccessionDeps {
  runDir: string
  log: Logger
  onLog: LogListener
  /** Spans of a service's work, as its process tells them. */
  onSpans?: (service: string, pid: number, batch: SpanBatch) => void
}

export interface SuccessionEvents {
  /** A new process has taken over. */
  onReady: () => void
  /** Given up for now. */
  onDown: () => void
  /** The state has changed, or the process behind it. */
  onChange: () => void
}

/** The process that answers at the moment. */
export interface Incumbent {
  readonly child: ChildProcess
  readonly peer: Peer
  readonly client: Client<ServiceSpec['contract']>
  /** It has answered a call. One that works by asking shows it in `child`. */
  wasOfUse: boolean
}

/** The processes of one service, one after the other: starts, takes over, mends, gives up and tries again. */
export class Succession {
  readonly #spec: ServiceSpec
  readonly #deps: SuccessionDeps
  readonly #events: SuccessionEvents
  readonly #budget: RestartBudget
  readonly #retiring = new Set<ChildProcess>()
  #state: ServiceState = 'stopped'
  #generation = 0
  #lastError: string | null = null
  #incumbent: Incumbent | undefined
  #launching: Promise<void> | undefined
  #candidate: ChildProcess | undefined
  #timer: NodeJS.Timeout | undefined
  #lastOverweight = Number.NEGATIVE_INFINITY
  #closing = false

  constructor(spec: ServiceSpec, deps: SuccessionDeps, events: SuccessionEvents) {
    this.#spec = spec
    this.#deps = deps
    this.#events = events
    this.#budget = new RestartBudget(spec.budget)
  }

  get state(): ServiceState {
    return this.#state
  }

  /** How many processes have taken over so far. */
  get generation(): number {
    return this.#generation
  }

  get lastError(): string | null {
    return this.#lastError
  }

  get isClosing(): boolean {
    return this.#closing
  }

  /** A wire closes before its process is seen to be gone; what is called in between must wait for the next one. */
  get incumbent(): Incumbent | undefined {
    return this.#incumbent?.peer.isClosed ? undefined : this.#incumbent
  }

  /** Starts a process; a failure is counted, told and tried again like any crash. */
  start(): void {
    this.#launch().catch((err) => this.#deps.log.warn({ err, service: this.#name }, 'a service did not start'))
  }

  /** The new process takes over once it answers, and the old one finishes what it has; of a stateful one, the old ends first. */
  async restart(): Promise<void> {
    clearTimeout(this.#timer)
    this.#budget.forgive()
    if (this.#state === 'down') this.#setState('starting')
    await this.#launch()
  }

  /** Ends the process until the next `start`. */
  rest(): void {
    if (this.#launching || this.#closing || !this.#incumbent) return
    void this.#retire(this.#dismiss('stopped'))
  }

  /** Calls under way may finish within `graceMs`; afterwards no process is left. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true
    clearTimeout(this.#timer)
    this.#candidate?.kill('Keel is stopping')
    for (const child of this.#retiring) void child.stop(graceMs)
    await this.#launching?.catch(() => {}) // Whoever asked for the start is told; here it has only to be over.
    const left = this.#dismiss('stopped')
    await Promise.all([...this.#retiring, ...(left ? [left] : [])].map((child) => child.stop(graceMs)))
  }

  get #name(): string {
    return this.#spec.contract.name
  }

  /** One process is started at a time; who asks meanwhile waits for the same one. */
  #launch(): Promise<void> {
    if (this.#closing) return Promise.reject(new RuntimeError('unavailable', 'Keel is stopping'))
    // Whoever asks for a service first is not who its process works for later.
    this.#launching ??= detached(() => this.#bringUp()).finally(() => {
      this.#launching = undefined
      this.#candidate = undefined
    })
    return this.#launching
  }

  async #bringUp(): Promise<void> {
    const spec = this.#spec
    // A probe of a service that is down says nothing until it has succeeded.
    if (!this.#incumbent && this.#state !== 'down') this.#setState('starting')
    if (spec.stateful && this.#incumbent) await this.#retire(this.#dismiss('starting'))
    let child: ChildProcess
    let peer: Peer
    try {
      if (this.#closing) throw new RuntimeError('unavailable', 'Keel is stopping')
      child = this.#spawn()
      this.#candidate = child
      peer = await child.ready(this.#generation === 0 ? spec.firstReadyMs : spec.readyMs)
    } catch (thrown) {
      const reason = reasonOf(thrown)
      this.#lastError = reason
      if (!this.#incumbent && !this.#closing) this.#plan({ readyMs: 0, wasOfUse: false }, reason)
      throw new RuntimeError('unavailable', `The ${this.#name} service did not start: ${reason}`, undefined, {
        cause: thrown,
      })
    }
    const old = this.#incumbent?.child
    this.#incumbent = { child, peer, client: peer.connect(spec.contract), wasOfUse: false }
    this.#generation += 1
    clearTimeout(this.#timer)
    this.#setState('ready')
    this.#events.onReady()
    void this.#retire(old)
  }

  #spawn(): ChildProcess {
    const { log, onLog, onSpans, runDir } = this.#deps
    const child: ChildProcess = new ChildProcess(this.#spec, runDir, {
      onExit: (reason) => this.#left(child, reason),
      onOverweight: () => this.#replaceOverweight(child),
      onLog,
      onSpans: (pid, batch) => onSpans?.(this.#name, pid, batch),
      onFault: (message, cause) => log.warn({ service: this.#name, err: cause }, message),
    })
    return child
  }

  /** The process in office is no longer called; returns it. */
  #dismiss(state: ServiceState): ChildProcess | undefined {
    const child = this.#incumbent?.child
    this.#incumbent = undefined
    this.#setState(state)
    return child
  }

  async #retire(child: ChildProcess | undefined): Promise<void> {
    if (!child) return
    this.#retiring.add(child)
    await child.stop(this.#spec.drainMs)
    this.#retiring.delete(child)
  }

  #replaceOverweight(child: ChildProcess): void {
    const now = performance.now()
    if (child !== this.#incumbent?.child || this.#launching || now - this.#lastOverweight < overweightPauseMs) return
    this.#lastOverweight = now
    const { log } = this.#deps
    log.warn({ service: this.#name, rss_bytes: child.rssBytes }, 'a service is over its memory limit and is replaced')
    this.#launch().catch((err) => log.error({ err, service: this.#name }, 'a service could not be replaced'))
  }

  #left(child: ChildProcess, reason: string): void {
    if (this.#incumbent?.child !== child) return
    const wasOfUse = this.#incumbent.wasOfUse || child.hasWorked || child.readyMs >= steadyMs
    this.#incumbent = undefined
    this.#lastError = reason
    if (this.#closing) return
    // Its successor is on the way.
    if (this.#launching) this.#setState('starting')
    else this.#plan({ readyMs: child.readyMs, wasOfUse }, reason)
  }

  /** What comes after a process that crashed or did not start. */
  #plan(life: Parameters<RestartBudget['crashed']>[0], reason: string): void {
    const wasDown = this.#state === 'down'
    const { exhausted, delayMs } = this.#budget.crashed(life)
    const isDown = exhausted || wasDown
    const waitMs = isDown ? this.#spec.probeMs : delayMs
    this.#deps.log.warn({ service: this.#name, reason, down: isDown, wait_ms: waitMs }, 'a service process is gone')
    clearTimeout(this.#timer)
    this.#setState(isDown ? 'down' : 'backing_off')
    if (isDown && !wasDown) this.#events.onDown()
    this.#timer = setTimeout(() => this.start(), waitMs)
  }

  #setState(state: ServiceState): void {
    if (state === this.#state && state !== 'ready') return
    this.#state = state
    this.#events.onChange()
  }
}
