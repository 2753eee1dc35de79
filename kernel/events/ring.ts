import type { StoredEvent } from '#kernel/store/events.ts'

export const ringMaxEvents = 10_000
export const ringMaxBytes = 32 * 1024 * 1024
export const ringMaxAgeMs = 10 * 60_000

/** An event with the moment it was published, in milliseconds since 1970. */
export interface BusEvent extends StoredEvent {
  at: number
}

/** The newest events, in order, bounded by count, size and age. */
export class EventRing {
  #events: BusEvent[] = []
  #first = 0
  #chars = 0

  push(event: BusEvent): void {
    this.#events.push(event)
    this.#chars += event.text.length
    const oldestAllowed = event.at - ringMaxAgeMs
    for (;;) {
      const first = this.#events[this.#first]
      if (!first || first === event) break
      const size = this.#events.length - this.#first
      if (size <= ringMaxEvents && this.#chars <= ringMaxBytes && first.at >= oldestAllowed) break
      this.#chars -= first.text.length
      this.#first += 1
    }
    // Dropped events are cut off by the thousand, so that a push costs the same whatever the ring holds.
    if (this.#first > 1000 && this.#first > this.#events.length / 2) {
      this.#events = this.#events.slice(this.#first)
      this.#first = 0
    }
  }

  get oldest(): BusEvent | undefined {
    return this.#events[this.#first]
  }

  /** At most `limit` events after `seq`, oldest first. */
  after(seq: number, limit: number): BusEvent[] {
    let low = this.#first
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#events[middle] as BusEvent).seq > seq) high = middle
      else low = middle + 1
    }
    return this.#events.slice(low, low + limit)
  }
}
