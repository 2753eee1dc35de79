import { setTimeout as delay } from 'node:timers/promises'
import { timestamp } from '#sdk/ids.ts'
import type { Adapter } from '../adapter.ts'
import type { ReceptionState } from '../adapter-contract.ts'
import type { ErrorText } from '../error-text.ts'
import { PlatformError } from '../platform-error.ts'
import { backOffMs, type ChannelTimes } from '../times.ts'

export interface ReceptionOptions {
  times: Pick<ChannelTimes, 'reconnect' | 'refusedMs' | 'askedMostMs' | 'healthyMs'>
  errorText: ErrorText
  report: (state: Omit<ReceptionState, 'mode'>) => void
}

/** Keeps an adapter receiving: a connection that is lost is made again, after a wait that grows. */
export class Reception {
  readonly #options: ReceptionOptions
  #receiving = false
  #connectedAt: number | null = null
  #failures = 0
  /** Of the last word from the platform. */
  lastActivity: string | null = null

  constructor(options: ReceptionOptions) {
    this.#options = options
  }

  /** The platform has spoken. */
  connected(): void {
    if (!this.#receiving) return
    const now = performance.now()
    this.lastActivity = timestamp()
    const recovered = this.#failures > 0 && this.#stoodFor(now) >= this.#options.times.healthyMs
    if (this.#connectedAt !== null && !recovered) return
    this.#connectedAt ??= now
    if (recovered) this.#failures = 0
    this.#options.report({ state: 'connected', last_error: null, failures: this.#failures })
  }

  /** Settles when the signal ends it. */
  async run(receive: Adapter['receive'], signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#receiving = true
      const lost = await Promise.try(receive, signal).then(
        () => new Error('The connection ended'),
        (thrown: unknown) => thrown,
      )
      this.#receiving = false
      if (signal.aborted) return
      this.#failures = this.#stoodFor(performance.now()) >= this.#options.times.healthyMs ? 1 : this.#failures + 1
      this.#connectedAt = null
      const last_error = this.#options.errorText(lost)
      this.#options.report({ state: 'backing_off', last_error, failures: this.#failures })
      await delay(this.#waitMs(lost), undefined, { signal }).catch(() => {})
    }
  }

  #stoodFor(now: number): number {
    return this.#connectedAt === null ? 0 : now - this.#connectedAt
  }

  #waitMs(lost: unknown): number {
    const { reconnect, refusedMs, askedMostMs } = this.#options.times
    if (!(lost instanceof PlatformError)) return backOffMs(reconnect, this.#failures)
    if (lost.permanent) return refusedMs
    return Math.max(backOffMs(reconnect, this.#failures), Math.min(lost.retryAfterMs ?? 0, askedMostMs))
  }
}
