import { timestamp } from '#sdk/ids.ts'
import { jitter } from '#sdk/jitter.ts'
import type { BreakerStatus, InferenceSettings, SavedBreaker } from '#sdk/services/inference.ts'
import { type FailureCategory, failureTable } from './failure.ts'

export type BreakerSettings = InferenceSettings['breaker']

export interface BreakerTools {
  now: () => number
  /** 0 to 1, as Math.random. */
  random: () => number
  onTransition: (breaker: SavedBreaker, from: SavedBreaker['state'], reason: string) => void
}

/** How long a rate limit without Retry-After keeps a provider out, in milliseconds. */
const rateLimitCooldownMs = 5_000
/** A provider also fails when, of at least so many calls within one window, this share did: successes in between set the count back. */
const minTalliedCalls = 10
const maxFailedShare = 0.5

type Probe = PromiseWithResolvers<void>

export interface BreakerCall {
  /** The answer has begun: a probe need not be waited for to its end. */
  heard(): void
  succeed(): void
  fail(category: FailureCategory, retryAfterMs?: number): void
  /** There is no verdict, as when the caller cancelled. */
  release(): void
}

/** `open` admits calls, `probe` one at a time, `blocked` none. */
export type Admission = 'open' | 'probe' | 'blocked'

/** Keeps calls away from a provider that fails, and lets one through now and then to see whether it is back. */
export class CircuitBreaker {
  readonly #provider: string
  readonly #tools: BreakerTools
  #settings: BreakerSettings
  #state: SavedBreaker['state'] = 'closed'
  #creditTripped = false
  #authTripped = false
  #forcedOpen = false
  #failures = 0
  #windowStart = 0
  #tally = { since: 0, calls: 0, failed: 0 }
  #lastFailureAt: number | null = null
  #lastError: string | null = null
  #openedAt: number | null = null
  #retryAt: number | null = null
  #cooldownMs: number
  #probe: Probe | undefined

  constructor(provider: string, settings: BreakerSettings, tools: BreakerTools, saved?: SavedBreaker) {
    this.#provider = provider
    this.#settings = settings
    this.#tools = tools
    this.#cooldownMs = settings.cooldown_seconds * 1000
    if (saved) this.#restore(saved)
  }

  configure(settings: BreakerSettings): void {
    this.#settings = settings
    this.#cooldownMs =
      this.#state === 'closed'
        ? settings.cooldown_seconds * 1000
        : Math.min(this.#cooldownMs, settings.max_cooldown_seconds * 1000)
  }

  admission(): Admission {
    this.#halfOpenWhenDue()
    if (this.#state === 'closed') return 'open'
    return this.#state === 'half_open' && !this.#probe ? 'probe' : 'blocked'
  }

  /** Opened by failures alone, so that a call may be risked when nothing else is left. */
  get mayBeRisked(): boolean {
    return this.#state === 'open' && this.#sticky === undefined
  }

  /** When a probe may pass, in milliseconds since 1970. */
  get retryAt(): number {
    return this.#retryAt ?? 0
  }

  /** Settles when the probe under way has its verdict; undefined when there is none. */
  get probing(): Promise<void> | undefined {
    return this.#probe?.promise
  }

  /** The category that a trip which time does not heal amounts to. */
  get #sticky(): FailureCategory | undefined {
    if (this.#forcedOpen) return 'breaker'
    if (this.#creditTripped) return 'quota'
    return this.#authTripped && this.#retryAt === null ? 'authentication' : undefined
  }

  /** Why a call is not let through, as a category. */
  get blockedBy(): FailureCategory {
    return this.#sticky ?? 'breaker'
  }

  /** Notes that a call begins, which is the probe when one is due. It ends with one of the three verdicts. */
  begin(): BreakerCall {
    let probe: Probe | undefined
    let mayClose = this.#state !== 'closed'
    if (this.#state === 'half_open' && !this.#probe) {
      probe = Promise.withResolvers()
      this.#probe = probe
    }
    return {
      heard: () => {
        if (!mayClose) return
        mayClose = false
        this.#succeed(probe, true)
      },
      succeed: () => this.#succeed(probe, mayClose),
      fail: (category, retryAfterMs) => this.#fail(probe, category, retryAfterMs),
      release: () => this.#release(probe),
    }
  }

  forceOpen(): void {
    this.#forcedOpen = true
    this.#openUntil(null, 'operator')
  }

  reset(): void {
    this.#creditTripped = false
    this.#authTripped = false
    this.#forcedOpen = false
    this.#failures = 0
    this.#lastError = null
    this.#close('reset')
  }

  /** A new key may be a good one, and of an account that pays. */
  keyChanged(): void {
    if (!this.#creditTripped && !this.#authTripped) return
    this.#creditTripped = false
    this.#authTripped = false
    if (!this.#forcedOpen) this.#close('key_changed')
  }

  status(capacityPressure: boolean): BreakerStatus {
    const admission = this.admission()
    return {
      state: this.#state === 'closed' && capacityPressure ? 'half_open' : this.#state,
      blocked: admission === 'blocked',
      credit_tripped: this.#creditTripped,
      auth_tripped: this.#authTripped,
      operator_forced_open: this.#forcedOpen,
      failure_count: this.#failures,
      last_failure_at: time(this.#lastFailureAt),
      last_error: this.#lastError,
      opened_at: time(this.#openedAt),
      retry_at: time(this.#retryAt),
      current_cooldown_seconds: this.#cooldownMs / 1000,
      capacity_pressure: capacityPressure,
    }
  }

  /** `mayClose`: the call began while others were kept away. A success from before says nothing of what has happened since. */
  #succeed(probe: Probe | undefined, mayClose: boolean) {
    const wasProbe = this.#release(probe)
    if (this.#state !== 'closed' && !mayClose) return
    if (this.#forcedOpen || this.#creditTripped || (this.#authTripped && !wasProbe)) return
    this.#authTripped = false
    this.#takeTally(false)
    this.#close('success')
  }

  #fail(probe: Probe | undefined, category: FailureCategory, retryAfterMs: number | undefined) {
    const wasProbe = this.#release(probe)
    const effect = failureTable[category].breaker
    if (effect === 'none') {
      // It answered, though it refused: the provider is there.
      if (wasProbe) this.#close('success')
      return
    }
    this.#lastFailureAt = this.#tools.now()
    this.#lastError = category
    if (effect === 'credit') this.#trip('credit', category)
    else if (effect === 'auth') this.#trip('auth', category)
    else if (effect === 'cooldown') this.#open(retryAfterMs ?? rateLimitCooldownMs, category)
    else this.#count(category, wasProbe)
  }

  /** True when that call was the probe whose verdict is still awaited. */
  #release(probe: Probe | undefined): boolean {
    probe?.resolve()
    if (!probe || this.#probe !== probe) return false
    this.#probe = undefined
    return this.#state === 'half_open'
  }

  #count(category: FailureCategory, wasProbe: boolean) {
    const now = this.#tools.now()
    if (now - this.#windowStart > this.#settings.window_seconds * 1000) this.#failures = 0
    if (this.#failures === 0) this.#windowStart = now
    this.#failures += 1
    const failsOften = this.#takeTally(true)
    if (wasProbe) this.#cooldownMs = Math.min(this.#cooldownMs * 2, this.#settings.max_cooldown_seconds * 1000)
    const isOver = this.#state === 'closed' && (failsOften || this.#failures >= this.#settings.threshold)
    if (wasProbe || isOver) this.#open(this.#cooldownMs * jitter(this.#tools.random), category)
  }

  /** True when too many of the window's calls have failed. */
  #takeTally(failed: boolean): boolean {
    const now = this.#tools.now()
    const tally = this.#tally
    if (now - tally.since > this.#settings.window_seconds * 1000)
      Object.assign(tally, { since: now, calls: 0, failed: 0 })
    tally.calls += 1
    if (failed) tally.failed += 1
    return tally.calls >= minTalliedCalls && tally.failed >= tally.calls * maxFailedShare
  }

  #trip(flag: 'credit' | 'auth', reason: string) {
    if (flag === 'credit') {
      if (this.#creditTripped) return
      this.#creditTripped = true
    } else {
      if (this.#authTripped && this.#retryAt === null) return
      this.#authTripped = true
    }
    this.#openUntil(null, reason)
  }

  #open(forMs: number, reason: string) {
    if (this.#sticky !== undefined) return
    const retryAt = this.#tools.now() + forMs
    if (this.#state === 'open') this.#retryAt = Math.max(this.retryAt, retryAt)
    else this.#openUntil(retryAt, reason)
  }

  #openUntil(retryAt: number | null, reason: string) {
    this.#release(this.#probe)
    this.#retryAt = retryAt
    this.#openedAt = this.#tools.now()
    this.#move('open', reason)
  }

  #close(reason: string) {
    this.#release(this.#probe)
    this.#openedAt = null
    this.#retryAt = null
    this.#failures = 0
    this.#cooldownMs = this.#settings.cooldown_seconds * 1000
    if (this.#state === 'closed') return
    this.#tally = { since: 0, calls: 0, failed: 0 }
    this.#move('closed', reason)
  }

  #halfOpenWhenDue() {
    if (this.#state !== 'open' || this.#sticky !== undefined || this.#tools.now() < this.retryAt) return
    this.#move('half_open', 'cooldown_over')
  }

  #move(state: SavedBreaker['state'], reason: string) {
    const from = this.#state
    this.#state = state
    this.#tools.onTransition(this.#saved(), from, reason)
  }

  #saved(): SavedBreaker {
    return {
      provider: this.#provider,
      state: this.#state,
      credit_tripped: this.#creditTripped,
      auth_tripped: this.#authTripped,
      operator_forced_open: this.#forcedOpen,
      opened_at: time(this.#openedAt),
      retry_at: time(this.#retryAt),
      current_cooldown_seconds: this.#cooldownMs / 1000,
    }
  }

  #restore(saved: SavedBreaker) {
    this.#creditTripped = saved.credit_tripped
    this.#authTripped = saved.auth_tripped
    this.#forcedOpen = saved.operator_forced_open
    this.#openedAt = saved.opened_at === null ? null : Date.parse(saved.opened_at)
    this.#retryAt = saved.retry_at === null ? null : Date.parse(saved.retry_at)
    this.#cooldownMs = saved.current_cooldown_seconds * 1000
    // Whoever restarts with a better key in the environment is not kept out: one call finds out.
    if (saved.auth_tripped && this.#retryAt === null) this.#retryAt = this.#tools.now()
    this.#state = saved.state === 'closed' ? 'closed' : 'open'
  }
}

function time(at: number | null): string | null {
  return at === null ? null : timestamp(at)
}
