import { RuntimeError } from '#sdk/errors.ts'

/** Calls that wait for a slot; those beyond are refused. */
const maxWaiting = 256

interface Waiter {
  key: string
  go: () => void
}

/** So many at a time, and so many of one key. Who comes first is first, among those whose key has room. */
export class Slots {
  readonly #max: number
  readonly #maxOfOne: number
  readonly #taken = new Map<string, number>()
  #total = 0
  #waiting: Waiter[] = []

  constructor(max: number, maxOfOne: number) {
    this.#max = max
    this.#maxOfOne = maxOfOne
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
    return this.#total < this.#max && (this.#taken.get(key) ?? 0) < this.#maxOfOne
  }

  #count(key: string, change: 1 | -1): void {
    this.#total += change
    const taken = (this.#taken.get(key) ?? 0) + change
    if (taken > 0) this.#taken.set(key, taken)
    else this.#taken.delete(key)
  }

  #wait(key: string, signal: AbortSignal): Promise<void> {
    if (this.#waiting.length >= maxWaiting) {
      throw new RuntimeError('unavailable', `${maxWaiting} calls wait for the sandbox`, { retry_after_seconds: 1 })
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
