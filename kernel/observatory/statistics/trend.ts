import type { z } from 'zod'
import type { trend } from '#sdk/contracts/efficiency.ts'

export type Trend = z.infer<typeof trend>

/** A change by more than this share counts. */
const noticeable = 0.05
/** The least that a change is measured against, so that noise around nothing is no trend. */
const leastBase = 0.001

/** The mean of the later half of the points against that of the earlier one; `stable` with fewer than two. */
export function trendOf(points: readonly number[]): Trend {
  if (points.length < 2) return 'stable'
  const middle = Math.floor(points.length / 2)
  const earlier = mean(points.slice(0, middle))
  const later = mean(points.slice(middle))
  const change = (later - earlier) / Math.max(Math.abs(earlier), leastBase)
  if (change > noticeable) return 'increasing'
  return change < -noticeable ? 'decreasing' : 'stable'
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
