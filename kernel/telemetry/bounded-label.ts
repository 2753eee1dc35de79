/** What stands for every value beyond the bound. */
export const otherLabel = 'other'

/** The first so many values of a label as they are, and one name for all others: series are never forgotten again. */
export class BoundedLabel {
  readonly #most: number
  readonly #known = new Set<string>()

  constructor(most: number) {
    this.#most = most
  }

  of(value: string): string {
    if (this.#known.has(value)) return value
    if (this.#known.size >= this.#most) return otherLabel
    this.#known.add(value)
    return value
  }
}
