import type { Figure } from './bench.ts'
import { holds, limitText, shown } from './verdict.ts'

/** One line a figure: what, how much, the goal, and whether it is met. */
export function printFigures(figures: readonly Figure[]): void {
  const rows = figures.map(({ what, value, unit, goal }) => [
    what,
    `${shown(value)} ${unit}`,
    goal ? limitText(goal) : '',
    goal ? (holds(value, goal) ? 'met' : 'missed') : '',
  ])
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  for (const row of rows) {
    process.stdout.write(
      `  ${row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    )
  }
}
