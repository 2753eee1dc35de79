/** More faults on the wire than this in `babbleMs`, and the child is ended. */
const maxFaults = 10
const babbleMs = 10_000

/** Counts frames that should not have been sent. */
export class WireFaults {
  #recent: number[] = []

  /** Whether this fault was one too many. */
  count(now: number = performance.now()): boolean {
    this.#recent = [...this.#recent.filter((at) => at > now - babbleMs), now]
    return this.#recent.length > maxFaults
  }

  static readonly tooMany = `more than ${maxFaults} faults on the wire within ${babbleMs / 1000} s`
}
