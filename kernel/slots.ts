import { RuntimeError } from '#sdk/errors.ts'

interface Waiter {
  key: string
  go: () => void
}

export interface SlotBounds {
  /** At a time. */
  max: number
  /** At a time, of one key. */
  maxOfOne: number
  /** Those beyond are refused. */
  maxWaiting: number
  /** What they wait for, as in `256 calls wait for the sandbox`. */
  what: string
  /** When those who are refused may try again, in seconds. */
  retryAfterSeconds: number
}

/** So many at a time, and so many of one key. Who comes first is first, among those whose key has room. */
export class Slots {
  readonly #bounds: SlotBounds
  readonly #taken = new Map<string, number>()
  #total = 0
  #waiting: Waiter[] = []

  constructor(bounds: SlotBounds) {
    this.#bounds = bounds
  }

  /** Resolves with the function that gives the slot back. Throws `unavailable` when too many wait, `cancelled` when the caller does. */
  async take(key: string, signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) throw new RuntimeError('cancelled')
    if (!this.#hasRoom(key)) await this.#wait(key, signal)
    else this.#count(key, 1)
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#count(key, -1)
      this.#wake()
    }
  }

  #hasRoom(key: string): boolean {
    return this.#total < this.#bounds.max && (this.#taken.get(key) ?? 0) < this.#bounds.maxOfOne
  }

  #count(key: string, change: 1 | -1): void {
    this.#total += change
    const taken = (this.#taken.get(key) ?? 0) + change
    if (taken > 0) this.#taken.set(key, taken)
    else this.#taken.delete(key)
  }

  #wait(key: string, signal: AbortSignal): Promise<void> {
    const { maxWaiting, what, retryAfterSeconds } = this.#bounds
    if (this.#waiting.length >= maxWaiting) {
      throw new RuntimeError('unavailable', `${maxWaiting} calls wait for ${what}`, {
        retry_after_seconds: retryAfterSeconds,
      })
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter)
        reject(new RuntimeError('cancelled'))
      }
      const waiter = {
        key,
        go() {
          signal.removeEventListener('abort', onAbort)
          resolve()
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(waiter)
    })
  }

  #wake(): void {
    const next = this.#waiting.find(({ key }) => this.#hasRoom(key))
    if (!next) return
    this.#waiting = this.#waiting.filter((other) => other !== next)
    this.#count(next.key, 1)
    next.go()
  }
}
