/** What one figure must hold to; in the figure's own unit. */
export type Limit = { atMost: number } | { atLeast: number }

export interface Figure {
  what: string
  value: number
  /** `ms`, `ratio`, `MB`, `%`, `per second`, `count` … */
  unit: string
  /** What the project aims at. A missed goal is shown, and explained in README.md. */
  goal?: Limit
  /** Far below the goal: beyond it something is broken, on any machine. `npm run bench` then fails. */
  gross?: Limit
}

export interface BenchOptions {
  /** Fewer rounds and shorter ones. */
  quick: boolean
  /** Of everything random, so that a run can be repeated. */
  seed: number
  /** A file of the user's own to measure with, where a bench takes one. */
  data?: string
  /** A line of progress, for a person who waits. */
  say(line: string): void
}

export interface Bench {
  /** One sentence: what is measured, against what. */
  about: string
  run(options: BenchOptions): Promise<Figure[]>
}
