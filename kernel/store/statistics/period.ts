/**
 * A period that ends now. The hours that lie in it whole are read from the sums of the hours, the one that it begins in
 * from the rows themselves, so that what is told is exact and costs the same whatever the number of rows.
 */
export interface Period {
  /** ISO-8601 UTC; null has no beginning. What happened at this very moment is in it. */
  since: string | null
}

/** Values of `@since`, `@sinceHour` and `@hourEnd`. */
export function boundsOf({ since }: Period): { since: string; sinceHour: string; hourEnd: string } {
  if (since === null) return { since: '', sinceHour: '', hourEnd: '' }
  const sinceHour = since.slice(0, 'YYYY-MM-DDTHH'.length)
  // The character after the colon ends every time of that hour.
  return { since, sinceHour, hourEnd: `${sinceHour};` }
}

/** Each of these columns summed under its own name; 0 of no rows. */
export function totals(columns: readonly string[]): string {
  return columns.map((name) => `total(${name}) AS ${name}`).join(', ')
}

/** Sums of the hours and the rows of a period, as a table in brackets. `where` may narrow both. */
export function ofPeriod(kind: 'usage' | 'turn', columns: string, where = 'true'): string {
  return `(SELECT ${columns} FROM ${kind}_hours WHERE hour > @sinceHour AND ${where}
    UNION ALL SELECT ${columns} FROM ${kind}_rows WHERE created_at >= @since AND created_at < @hourEnd AND ${where})`
}
