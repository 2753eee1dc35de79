import { jitter } from '#sdk/jitter.ts'
import type { ServiceSpec } from './spec.ts'

/** Waits before a restart, in milliseconds: at once after the first crash, then doubling. */
const firstDelayMs = 100
const maxDelayMs = 10_000
/** A process that has been ready this long starts the count of crashes in a row anew. */
const healthyMs = 60_000
/**
 * After a process that had been of use, callers wait for its successor: what is bounded is the time from one process that
 * is ready to the next start, so that one that worked for long is replaced at once.
 */
const maxUsefulPaceMs = 400
/** The same once more of them have crashed than the budget allows: starting them then costs a tenth of a core at most. */
const maxTiredPaceMs = 1_500

/** The life of a process that crashed. */
export interface Life {
  /** How long it had been ready; 0 when it never was. */
  readyMs: number
  /** It had answered calls, or stayed: what ended it is not how it starts. */
  wasOfUse: boolean
}

interface Crashes {
  /** Within the long window, by the budget's clock. */
  times: number[]
  inARow: number
}

/** Counts crashes: how long to wait before the next start, and when to stop trying at full pace. */
export class RestartBudget {
  readonly #budget: ServiceSpec['budget']
  readonly #now: () => number
  readonly #random: () => number
  #failedStarts: Crashes = { times: [], inARow: 0 }
  #usefulLives: Crashes = { times: [], inARow: 0 }

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
    for (const crashes of [this.#failedStarts, this.#usefulLives])
      crashes.times = crashes.times.filter((at) => at > now - this.#budget.longWithinMs)
    const crashes = wasOfUse ? this.#usefulLives : this.#failedStarts
    // One that got to work says that the service can start.
    if (wasOfUse) this.#failedStarts.inARow = 0
    crashes.inARow = readyMs >= healthyMs ? 1 : crashes.inARow + 1
    crashes.times.push(now)
    const over = this.#isOver(crashes.times, now)
    if (!wasOfUse) return { exhausted: over, delayMs: this.#delay(crashes.inARow, maxDelayMs) }
    const paceMs = this.#delay(crashes.inARow, over ? maxTiredPaceMs : maxUsefulPaceMs)
    return { exhausted: false, delayMs: Math.max(0, Math.round(paceMs - readyMs)) }
  }

  /** An operator's restart is not held back by what came before it. */
  forgive(): void {
    this.#failedStarts = { times: [], inARow: 0 }
    this.#usefulLives = { times: [], inARow: 0 }
  }

  #isOver(times: number[], now: number): boolean {
    const { crashes, withinMs, longCrashes } = this.#budget
    return times.length > longCrashes || times.filter((at) => at > now - withinMs).length > crashes
  }

  #delay(inARow: number, maxMs: number): number {
    if (inARow <= 1) return 0
    const delay = Math.min(firstDelayMs * 2 ** (inARow - 2), maxMs)
    return Math.round(delay * jitter(this.#random))
  }
}
