import type { EventBus } from '#kernel/events/bus.ts'
import type { EmbeddingStatus } from '#sdk/services/memory.ts'

/** Between two events, in milliseconds. */
const everyMs = 1_000

/** Tells how far the vectors are: at once, then once a second at the most, and the last of it always. */
export class EmbeddingProgress {
  readonly #bus: EventBus
  #latest: EmbeddingStatus | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(bus: EventBus) {
    this.#bus = bus
  }

  report(status: EmbeddingStatus): void {
    // A memory that is empty, as at each first start, has no progress to tell.
    if (status.total === 0) return
    this.#latest = status
    if (!this.#timer) this.#tell()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#latest = undefined
  }

  #tell(): void {
    this.#timer = undefined
    if (!this.#latest) return
    this.#bus.publish('memory_embedding', this.#latest)
    this.#latest = undefined
    this.#timer = setTimeout(() => this.#tell(), everyMs)
    this.#timer.unref()
  }
}
