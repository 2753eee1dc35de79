/** Counts by key within a window, for a bounded number of keys. The owner starts each window with `clear`. */
export class WindowCounter {
  readonly #maxKeys: number
  readonly #entries = new Map<string, { count: number; refused: number }>()

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys
  }

  get size(): number {
    return this.#entries.size
  }

  /** Counts one more for the key, up to `limit`. False: it is over, or the key is new and there is no room for it. */
  take(key: string, limit: number): boolean {
    let entry = this.#entries.get(key)
    if (!entry) {
      if (this.#entries.size >= this.#maxKeys) return false
      entry = { count: 0, refused: 0 }
      this.#entries.set(key, entry)
    }
    if (entry.count >= limit) {
      entry.refused += 1
      return false
    }
    entry.count += 1
    return true
  }

  /** Whether `take` would count one more. */
  hasRoom(key: string, limit: number): boolean {
    const entry = this.#entries.get(key)
    return entry ? entry.count < limit : this.#entries.size < this.#maxKeys
  }

  /** The keys that were refused most often, highest first. */
  mostRefused(most: number): [key: string, refused: number][] {
    return [...this.#entries]
      .filter(([, { refused }]) => refused > 0)
      .map(([key, { refused }]): [string, number] => [key, refused])
      .sort((left, right) => right[1] - left[1])
      .slice(0, most)
  }

  clear(): void {
    this.#entries.clear()
  }
}
