import type { Figure, Limit } from './bench.ts'

/** Units that tell what happened rather than how fast: a busy machine excuses nothing there. */
const unitsOfFact = new Set(['count', '%'])

export function holds(value: number, limit: Limit): boolean {
  return 'atMost' in limit ? value <= limit.atMost : value >= limit.atLeast
}

export function limitText(limit: Limit): string {
  return 'atMost' in limit ? `≤ ${shown(limit.atMost)}` : `≥ ${shown(limit.atLeast)}`
}

/** A number as a person reads it. */
export function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(3)
}

/** The figures that are far beyond their goals, in words; on a noisy machine those that time does not change. */
export function grossFaults(figures: readonly Figure[], noisy: boolean): string[] {
  return figures
    .filter(({ unit }) => !noisy || unitsOfFact.has(unit))
    .flatMap(({ what, value, unit, gross }) =>
      gross && !holds(value, gross) ? [`${what}: ${value} ${unit}, and it must be ${limitText(gross)}`] : [],
    )
}
