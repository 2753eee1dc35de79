import { type LoadResult, load, type Target } from './load.ts'
import { quantile } from './quantile.ts'

export interface Rounds {
  rounds: number
  seconds: number
  connections: number
}

export type Rival = 'direct' | 'pass-through' | 'keel' | 'portkey' | 'express'

/** The targets in turn, round after round, so that a machine whose speed drifts changes them all. */
export async function interleave(
  targets: Partial<Record<Rival, Target>>,
  { rounds, seconds, connections }: Rounds,
): Promise<Comparison> {
  const results = new Map<string, LoadResult[]>()
  for (let round = 0; round < rounds; round++) {
    for (const [name, target] of Object.entries(targets)) {
      results.set(name, [...(results.get(name) ?? []), await load(target, connections, seconds)])
    }
  }
  return new Comparison(results)
}

/** Medians over the rounds. */
export class Comparison {
  readonly #results: ReadonlyMap<string, LoadResult[]>

  constructor(results: ReadonlyMap<string, LoadResult[]>) {
    this.#results = results
  }

  of(name: Rival, figure: keyof LoadResult): number {
    return median(this.#each(name, figure))
  }

  /** How much more of a figure the one has than the other, round by round. */
  added(name: Rival, base: Rival, figure: keyof LoadResult): number {
    const bases = this.#each(base, figure)
    return median(this.#each(name, figure).map((value, round) => value - (bases[round] ?? 0)))
  }

  ratio(name: Rival, base: Rival, figure: keyof LoadResult): number {
    const bases = this.#each(base, figure)
    return median(this.#each(name, figure).map((value, round) => value / (bases[round] ?? 1)))
  }

  failed(name: Rival): number {
    return this.#each(name, 'failed').reduce((sum, value) => sum + value, 0)
  }

  #each(name: Rival, figure: keyof LoadResult): number[] {
    return (this.#results.get(name) ?? []).map((result) => result[figure])
  }
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}
