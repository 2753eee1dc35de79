import type { ServiceStatus } from '#sdk/contracts/services.ts'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import type { CallOptions, Method } from '#sdk/service.ts'
import type { ServiceSpec } from './spec.ts'
import { type Incumbent, Succession, type SuccessionDeps } from './succession.ts'
import { WaitingCalls } from './waiting-calls.ts'

/** How often a safe call is sent again before it fails like the others. */
const maxResends = 3
/** When to ask again for a service that is about to come back. */
const retryAfterSeconds = 5
/** When to ask the next kernel. */
const nextKernelSeconds = 2

export interface SupervisedDeps extends SuccessionDeps {
  onStateChange: (status: ServiceStatus) => void
}

/** Whether processes ended in the midst of the call, one after the other; without that it never came to one. */
export function endedUnderCall(thrown: unknown): boolean {
  return isErrorOf(thrown, 'unavailable') && thrown.cause !== undefined
}

/** A service as its callers see it: always there, whichever process answers at the moment. */
export class SupervisedService {
  readonly spec: ServiceSpec
  readonly #succession: Succession
  readonly #waiting: WaitingCalls
  #calls = 0
  #idleTimer: NodeJS.Timeout | undefined

  constructor(spec: ServiceSpec, deps: SupervisedDeps) {
    this.spec = spec
    this.#waiting = new WaitingCalls(spec.contract.name, spec.queue.max)
    this.#succession = new Succession(spec, deps, {
      onReady: () => this.#waiting.wake(),
      onDown: () => this.#waiting.fail(this.#unavailable()),
      onChange: () => deps.onStateChange(this.status()),
    })
  }

  get name(): string {
    return this.spec.contract.name
  }

  status(): ServiceStatus {
    const { state, generation, lastError, incumbent } = this.#succession
    return {
      name: this.name,
      state,
      pid: incumbent?.child.pid ?? null,
      generation,
      restarts: Math.max(0, generation - 1),
      started_at: incumbent ? timestamp(incumbent.child.readyAt) : null,
      uptime_seconds: incumbent ? Math.floor(incumbent.child.readyMs / 1000) : 0,
      rss_bytes: incumbent?.child.rssBytes ?? null,
      cpu_seconds: incumbent?.child.cpuSeconds ?? null,
      calls_in_flight: incumbent?.peer.inFlight ?? 0,
      queued_calls: this.#waiting.size,
      last_error: lastError,
      lazy: this.spec.start === 'lazy',
    }
  }

  endProcess(reason: string): void {
    this.#succession.incumbent?.child.kill(reason)
  }

  start(): void {
    this.#succession.start()
  }

  async restart(): Promise<void> {
    await this.#succession.restart()
  }

  async close(graceMs: number): Promise<void> {
    clearTimeout(this.#idleTimer)
    const closed = this.#succession.close(graceMs)
    this.#waiting.fail(new RuntimeError('unavailable', 'Keel is stopping', { retry_after_seconds: nextKernelSeconds }))
    await closed
  }

  /**
   * Calls the service, waiting for a process where there is none. A `safe` call whose process dies goes to the next one,
   * unless chunks have reached the caller that must not come twice; any other that was sent has an unknown outcome.
   */
  async call(method: string, declared: Method, params: unknown, options: CallOptions = {}): Promise<unknown> {
    this.#calls += 1
    try {
      return await this.#callUntilAnswered(method, declared, params, options)
    } finally {
      this.#calls -= 1
      if (this.spec.idleStopMs > 0 && this.#calls === 0) this.#awaitIdle()
    }
  }

  async #callUntilAnswered(
    method: string,
    declared: Method,
    params: unknown,
    { timeoutMs, signal, onChunk }: CallOptions,
  ): Promise<unknown> {
    // Nobody waits for what a notice does, but it waits for a process.
    const patience = declared.oneWay ? this.spec.queue.waitMs : declared.timeoutMs
    const deadline = performance.now() + Math.min(timeoutMs ?? patience, patience)
    let begun = false
    for (let resends = 0; ; resends++) {
      const incumbent = this.#succession.incumbent ?? (await this.#nextProcess(deadline, signal))
      const relay =
        onChunk &&
        ((chunk: unknown) => {
          incumbent.wasOfUse = true
          begun ||= !declared.repeatable?.(chunk)
          return onChunk(chunk)
        })
      const send = incumbent.client[method] as (params: unknown, options: CallOptions) => Promise<unknown>
      try {
        const left = Math.max(1, deadline - performance.now())
        const result = await send(params, { signal, onChunk: relay, timeoutMs: left })
        incumbent.wasOfUse = true
        return result
      } catch (thrown) {
        if (!isErrorOf(thrown, 'unavailable') || !incumbent.peer.isClosed) throw thrown
        if (declared.retry !== 'safe') throw this.#interrupted('outcome_unknown', method, thrown)
        if (begun || resends >= maxResends) throw this.#interrupted('unavailable', method, thrown)
      }
    }
  }

  async #nextProcess(deadline: number, signal: AbortSignal | undefined): Promise<Incumbent> {
    const { state, generation, isClosing } = this.#succession
    if (isClosing) throw new RuntimeError('unavailable', 'Keel is stopping', { retry_after_seconds: nextKernelSeconds })
    if (state === 'down') throw this.#unavailable()
    if (state === 'stopped') this.start()
    const { firstReadyMs, queue } = this.spec
    const patienceMs = generation === 0 ? Math.max(firstReadyMs, queue.waitMs) : queue.waitMs
    await this.#waiting.wait(Math.min(deadline - performance.now(), patienceMs), signal)
    const next = this.#succession.incumbent
    if (!next) throw this.#unavailable()
    return next
  }

  #awaitIdle(): void {
    clearTimeout(this.#idleTimer)
    this.#idleTimer = setTimeout(() => {
      if (this.#calls === 0) this.#succession.rest()
    }, this.spec.idleStopMs)
  }

  #interrupted(kind: 'outcome_unknown' | 'unavailable', method: string, cause: unknown): RuntimeError {
    const details = kind === 'unavailable' ? { retry_after_seconds: 1 } : undefined
    return new RuntimeError(kind, `The ${this.name} service ended during ${method}`, details, { cause })
  }

  #unavailable(): RuntimeError {
    const { state, lastError } = this.#succession
    const reason = lastError ? `: ${lastError}` : ''
    return new RuntimeError('unavailable', `The ${this.name} service is ${state}${reason}`, {
      retry_after_seconds: state === 'down' ? Math.ceil(this.spec.probeMs / 1000) : retryAfterSeconds,
    })
  }
}
