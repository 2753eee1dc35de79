import type { Figure, Limit } from './bench.ts'

export function holds(value: number, limit: Limit): boolean {
  return 'atMost' in limit ? value <= limit.atMost : value >= limit.atLeast
}

export function limitText(limit: Limit): string {
  return 'atMost' in limit ? `≤ ${limit.atMost}` : `≥ ${limit.atLeast}`
}

/** The figures that are far beyond their goals, in words. */
export function grossFaults(figures: readonly Figure[]): string[] {
  return figures.flatMap(({ what, value, unit, gross }) =>
    gross && !holds(value, gross) ? [`${what}: ${value} ${unit}, and it must be ${limitText(gross)}`] : [],
  )
}
