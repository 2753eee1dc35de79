import { expect, test } from 'vitest'
import { retryDelay } from '../../services/scheduler/retry-delay.ts'

test.each([
  [1, 48_000, 60_000, 72_000],
  [2, 96_000, 120_000, 144_000],
  [5, 768_000, 960_000, 1_152_000],
  [7, 3_072_000, 3_600_000, 3_600_000],
  [8, 3_600_000, 3_600_000, 3_600_000],
  [1_000, 3_600_000, 3_600_000, 3_600_000],
])('after attempt %d a run waits %d ms at least, and %d in the middle', (attempt, least, middle, most) => {
  expect(retryDelay(attempt, () => 0)).toBe(least)
  expect(retryDelay(attempt, () => 0.5)).toBe(middle)
  expect(retryDelay(attempt, () => 1)).toBe(most)
})
