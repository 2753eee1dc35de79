import type { ServiceSpec } from './spec.ts'

/** Waits before a restart, in milliseconds: at once after the first crash, then doubling. */
const firstDelayMs = 100
const maxDelayMs = 10_000
const jitter = 0.2
/** A process that has lived this long starts the count of crashes in a row anew. */
const healthyMs = 60_000

/** Counts crashes: how long to wait before the next start, and when to stop trying at full pace. */
export class RestartBudget {
  readonly #budget: ServiceSpec['budget']
  readonly #now: () => number
  readonly #random: () => number
  #crashes: number[] = []
  #inARow = 0

  constructor(budget: ServiceSpec['budget'], now: () => number = Date.now, random: () => number = Math.random) {
    this.#budget = budget
    this.#now = now
    this.#random = random
  }

  /** `livedMs`: how long the process had been ready; 0 when it never was. */
  crashed(livedMs: number): { exhausted: boolean; delayMs: number } {
    const now = this.#now()
    const { crashes, withinMs, longCrashes, longWithinMs } = this.#budget
    this.#crashes = [...this.#crashes.filter((at) => at > now - longWithinMs), now]
    this.#inARow = livedMs >= healthyMs ? 1 : this.#inARow + 1
    const recent = this.#crashes.filter((at) => at > now - withinMs).length
    return { exhausted: recent > crashes || this.#crashes.length > longCrashes, delayMs: this.#delay() }
  }

  /** An operator's restart is not held back by what came before it. */
  forgive(): void {
    this.#crashes = []
    this.#inARow = 0
  }

  #delay(): number {
    if (this.#inARow <= 1) return 0
    const delay = Math.min(firstDelayMs * 2 ** (this.#inARow - 2), maxDelayMs)
    return Math.round(delay * (1 + jitter * (2 * this.#random() - 1)))
  }
}
