const windowMs = 10_000

/** Counts messages that should not have been sent, within ten seconds. */
export class WireFaults {
  readonly #max: number
  #count = 0
  #windowEnds = Number.NEGATIVE_INFINITY

  /** More than `max` are too many. */
  constructor(max: number) {
    this.#max = max
  }

  /** Whether this one was too many. */
  count(now: number = performance.now()): boolean {
    if (now >= this.#windowEnds) {
      this.#windowEnds = now + windowMs
      this.#count = 0
    }
    this.#count += 1
    return this.#count > this.#max
  }

  get tooMany(): string {
    return `more than ${this.#max} faults on the wire within ${windowMs / 1000} s`
  }
}
