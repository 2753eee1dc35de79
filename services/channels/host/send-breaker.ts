import { type BackOff, backOffMs } from '../times.ts'

/** So many failures in a row open it. */
const threshold = 5
/** While another finds out whether it goes again, in milliseconds. */
const probeWaitMs = 1_000

/** How a try ended; `unknown` says nothing about the platform. */
export type Verdict = 'worked' | 'failed' | 'unknown'

/** Keeps messages from a platform that takes none, and lets one through now and then to see whether it does again. */
export class SendBreaker {
  readonly #backOff: BackOff
  #failures = 0
  /** How often in a row it opened; 0: it is closed. */
  #openings = 0
  #openUntil = 0
  #probing = false

  constructor(backOff: BackOff) {
    this.#backOff = backOff
  }

  /** Either how long to wait, in milliseconds, or what is to be told how the try ended. */
  enter(): { waitMs: number } | { leave: (verdict: Verdict) => void } {
    if (this.#openings === 0) return { leave: (verdict) => this.#count(verdict) }
    const waitMs = Math.ceil(this.#openUntil - performance.now())
    if (waitMs > 0) return { waitMs }
    if (this.#probing) return { waitMs: probeWaitMs }
    this.#probing = true
    return { leave: (verdict) => this.#judge(verdict) }
  }

  #count(verdict: Verdict): void {
    // Those that were under way when it opened say nothing new.
    if (this.#openings > 0 || verdict === 'unknown') return
    this.#failures = verdict === 'worked' ? 0 : this.#failures + 1
    if (this.#failures >= threshold) this.#open()
  }

  #judge(verdict: Verdict): void {
    this.#probing = false
    if (verdict === 'failed') this.#open()
    if (verdict !== 'worked') return
    this.#openings = 0
    this.#failures = 0
  }

  #open(): void {
    this.#openings += 1
    this.#openUntil = performance.now() + backOffMs(this.#backOff, this.#openings)
  }
}
