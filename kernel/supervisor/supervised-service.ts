import type { Logger } from 'pino'
import type { ServiceState, ServiceStatus } from '#sdk/contracts/services.ts'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import type { CallOptions, Client, Method } from '#sdk/service.ts'
import { ChildProcess, type LogListener } from './child-process.ts'
import { RestartBudget } from './restart-budget.ts'
import type { ServiceSpec } from './spec.ts'
import { WaitingCalls } from './waiting-calls.ts'

/** How often a safe call is sent again before it fails like the others. */
const maxResends = 3

export interface SupervisedDeps {
  runDir: string
  log: Logger
  onLog: LogListener
  onStateChange: (status: ServiceStatus) => void
}

interface Running {
  child: ChildProcess
  client: Client<ServiceSpec['contract']>
}

/** A service as its callers see it: always there, whichever process answers at the moment. */
export class SupervisedService {
  readonly spec: ServiceSpec
  readonly #deps: SupervisedDeps
  readonly #budget: RestartBudget
  readonly #waiting: WaitingCalls
  readonly #retiring = new Set<Promise<void>>()
  #state: ServiceState = 'stopped'
  #running: Running | undefined
  #incoming: Promise<void> | undefined
  #starting: ChildProcess | undefined
  #timer: NodeJS.Timeout | undefined
  #generation = 0
  #lastError: string | null = null
  #closing = false

  constructor(spec: ServiceSpec, deps: SupervisedDeps) {
    this.spec = spec
    this.#deps = deps
    this.#budget = new RestartBudget(spec.budget)
    this.#waiting = new WaitingCalls(spec.contract.name, spec.queue.max)
  }

  get name(): string {
    return this.spec.contract.name
  }

  status(): ServiceStatus {
    const child = this.#running?.child
    return {
      name: this.name,
      state: this.#state,
      pid: child?.pid ?? null,
      generation: this.#generation,
      restarts: Math.max(0, this.#generation - 1),
      started_at: child ? timestamp(child.readyAt) : null,
      uptime_seconds: child ? Math.floor((Date.now() - child.readyAt) / 1000) : 0,
      rss_bytes: child?.rssBytes ?? null,
      calls_in_flight: child?.peer.inFlight ?? 0,
      queued_calls: this.#waiting.size,
      last_error: this.#lastError,
      lazy: this.spec.start === 'lazy',
    }
  }

  /** Starts the first process; a failure is counted, told and tried again like any crash. */
  start(): void {
    this.#launch().catch((err) => this.#deps.log.warn({ err, service: this.name }, 'a service did not start'))
  }

  /**
   * Calls the service, waiting for a process where there is none. A `safe` call whose process dies goes to the next one,
   * unless chunks have reached the caller that must not come twice; any other has an unknown outcome.
   */
  async call(method: string, declared: Method, params: unknown, options: CallOptions = {}): Promise<unknown> {
    const deadline = Date.now() + Math.min(options.timeoutMs ?? declared.timeoutMs, declared.timeoutMs)
    let begun = false
    const { onChunk } = options
    const relayed: CallOptions = onChunk
      ? {
          ...options,
          onChunk: (chunk) => {
            begun ||= !declared.repeatable?.(chunk)
            return onChunk(chunk)
          },
        }
      : options
    for (let resends = 0; ; resends++) {
      const { child, client } = this.#usable() ?? (await this.#nextProcess(deadline, options.signal))
      const send = client[method] as (params: unknown, options: CallOptions) => Promise<unknown>
      try {
        return await send(params, { ...relayed, timeoutMs: Math.max(1, deadline - Date.now()) })
      } catch (thrown) {
        if (!isErrorOf(thrown, 'unavailable') || !child.peer.isClosed) throw thrown
        if (declared.retry === 'safe' && !begun && resends < maxResends) continue
        throw new RuntimeError('outcome_unknown', `The ${this.name} service ended during ${method}`, undefined, {
          cause: thrown,
        })
      }
    }
  }

  /** A planned restart: the new process takes over once it answers, and the old one finishes what it has. */
  async restart(): Promise<void> {
    if (this.#closing) throw new RuntimeError('unavailable', 'Keel is stopping')
    clearTimeout(this.#timer)
    this.#budget.forgive()
    await this.#launch()
  }

  async close(drainMs: number): Promise<void> {
    this.#closing = true
    clearTimeout(this.#timer)
    this.#waiting.fail(new RuntimeError('unavailable', 'Keel is stopping'))
    this.#starting?.kill('Keel is stopping')
    await this.#incoming?.catch(() => {})
    await Promise.all([this.#running?.child.stop(drainMs), ...this.#retiring])
    this.#setState('stopped')
  }

  async #nextProcess(deadline: number, signal: AbortSignal | undefined): Promise<Running> {
    if (this.#closing) throw new RuntimeError('unavailable', 'Keel is stopping')
    if (this.#state === 'down') throw this.#unavailable()
    const isFirst = this.#generation === 0
    if (this.#state === 'stopped') this.start()
    await this.#waiting.wait(
      Math.min(deadline - Date.now(), isFirst ? this.spec.firstReadyMs : this.spec.queue.waitMs),
      signal,
    )
    const next = this.#usable()
    if (!next) throw this.#unavailable()
    return next
  }

  /** A wire closes before its process is seen to be gone; what is called in between must wait for the next one. */
  #usable(): Running | undefined {
    return this.#running?.child.peer.isClosed ? undefined : this.#running
  }

  #unavailable(): RuntimeError {
    const reason = this.#lastError ? `: ${this.#lastError}` : ''
    return new RuntimeError('unavailable', `The ${this.name} service is ${this.#state}${reason}`, {
      retry_after_seconds: 5,
    })
  }

  /** One process is started at a time; who asks meanwhile waits for the same one. */
  #launch(): Promise<void> {
    this.#incoming ??= this.#bringUp().finally(() => {
      this.#incoming = undefined
      this.#starting = undefined
    })
    return this.#incoming
  }

  async #bringUp(): Promise<void> {
    const { spec, name } = this
    const { log, onLog, runDir } = this.#deps
    if (!this.#running) this.#setState('starting')
    const child = new ChildProcess(spec, runDir, {
      onExit: (reason) => this.#left(child, reason),
      onOverweight: () => {
        log.warn({ service: name, rss_bytes: child.rssBytes }, 'a service is over its memory limit and is replaced')
        this.restart().catch((err) => log.error({ err, service: name }, 'a service could not be replaced'))
      },
      onLog,
      onFault: (service, message, cause) => log.warn({ service, err: cause }, message),
    })
    this.#starting = child
    try {
      await child.ready(this.#generation === 0 ? spec.firstReadyMs : spec.readyMs)
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown)
      this.#lastError = reason
      if (!this.#running && !this.#closing) this.#crashed(0, reason)
      throw new RuntimeError('unavailable', `The ${name} service did not start: ${reason}`, undefined, {
        cause: thrown,
      })
    }
    const old = this.#running?.child
    this.#running = { child, client: child.peer.connect(spec.contract) }
    this.#generation += 1
    this.#tell('ready')
    this.#waiting.wake()
    if (old) this.#retire(old)
  }

  #retire(child: ChildProcess): void {
    const retired = child.stop(this.spec.drainMs).finally(() => this.#retiring.delete(retired))
    this.#retiring.add(retired)
  }

  #left(child: ChildProcess, reason: string): void {
    if (this.#running?.child !== child) return
    this.#running = undefined
    this.#lastError = reason
    if (!this.#closing) this.#crashed(Date.now() - child.readyAt, reason)
  }

  #crashed(livedMs: number, reason: string): void {
    const { exhausted, delayMs } = this.#budget.crashed(livedMs)
    this.#deps.log.warn({ service: this.name, reason, exhausted, delay_ms: delayMs }, 'a service process is gone')
    clearTimeout(this.#timer)
    if (exhausted) {
      this.#setState('down')
      this.#waiting.fail(this.#unavailable())
    } else if (!this.#incoming) {
      this.#setState('backing_off')
    }
    const again = () => this.start()
    if (!exhausted && delayMs === 0) setImmediate(again)
    else this.#timer = setTimeout(again, exhausted ? this.spec.probeMs : delayMs)
  }

  #setState(state: ServiceState): void {
    // A probe of a service that is down says nothing until it has succeeded.
    if (state === this.#state || (this.#state === 'down' && state !== 'ready' && state !== 'stopped')) return
    this.#tell(state)
  }

  #tell(state: ServiceState): void {
    this.#state = state
    this.#deps.onStateChange(this.status())
  }
}
