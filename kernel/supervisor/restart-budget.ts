import type { ServiceSpec } from './spec.ts'

/** Waits before a restart, in milliseconds: at once after the first crash, then doubling. */
const firstDelayMs = 100
const maxDelayMs = 10_000
const jitter = 0.2
/** A process that has been ready this long starts the count of crashes in a row anew. */
const healthyMs = 60_000
/** The longest wait after a process that had been of use: callers wait for its successor. */
const maxUsefulDelayMs = 400
/** The same once it has crashed more often than the budget allows. */
const maxTiredDelayMs = 2_000

/** The life of a process that crashed. */
export interface Life {
  /** How long it had been ready; 0 when it never was. */
  readyMs: number
  /** It had answered calls, or stayed: what ended it is not how it starts. */
  wasOfUse: boolean
}

/** Counts crashes: how long to wait before the next start, and when to stop trying at full pace. */
export class RestartBudget {
  readonly #budget: ServiceSpec['budget']
  readonly #now: () => number
  readonly #random: () => number
  #failedStarts: number[] = []
  #usefulLives: number[] = []
  #inARow = 0

  /** `now` in milliseconds, by a clock that is never set. */
  constructor(
    budget: ServiceSpec['budget'],
    now: () => number = () => performance.now(),
    random: () => number = Math.random,
  ) {
    this.#budget = budget
    this.#now = now
    this.#random = random
  }

  /**
   * A service whose processes do their work and die is never given up, however often: `exhausted` is said of one that
   * does not get to work.
   */
  crashed({ readyMs, wasOfUse }: Life): { exhausted: boolean; delayMs: number } {
    const now = this.#now()
    this.#failedStarts = this.#within(this.#failedStarts, now)
    this.#usefulLives = this.#within(this.#usefulLives, now)
    this.#inARow = readyMs >= healthyMs ? 1 : this.#inARow + 1
    const kind = wasOfUse ? this.#usefulLives : this.#failedStarts
    kind.push(now)
    const over = this.#isOver(kind, now)
    if (!wasOfUse) return { exhausted: over, delayMs: this.#delay(maxDelayMs) }
    return { exhausted: false, delayMs: this.#delay(over ? maxTiredDelayMs : maxUsefulDelayMs) }
  }

  /** An operator's restart is not held back by what came before it. */
  forgive(): void {
    this.#failedStarts = []
    this.#usefulLives = []
    this.#inARow = 0
  }

  #within(times: number[], now: number): number[] {
    return times.filter((at) => at > now - this.#budget.longWithinMs)
  }

  #isOver(times: number[], now: number): boolean {
    const { crashes, withinMs, longCrashes } = this.#budget
    return times.length > longCrashes || times.filter((at) => at > now - withinMs).length > crashes
  }

  #delay(maxMs: number): number {
    if (this.#inARow <= 1) return 0
    const delay = Math.min(firstDelayMs * 2 ** (this.#inARow - 2), maxMs)
    return Math.round(delay * (1 + jitter * (2 * this.#random() - 1)))
  }
}
