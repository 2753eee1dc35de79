import { expect, test } from 'vitest'
import { fuse, recencyOf, tempered } from '../../services/memory/fuse.ts'

test('an entry that two rankings have comes before one that only one has', () => {
  const fused = fuse([
    { seqs: [1, 2, 3], weight: 0.5 },
    { seqs: [4, 2], weight: 0.5 },
  ])
  const order = [...fused].sort(([, left], [, right]) => right - left).map(([seq]) => seq)
  expect(order[0]).toBe(2)
  expect(fused.get(1)).toBeCloseTo(0.5)
  expect(fused.get(3)).toBeCloseTo((0.5 * 21) / 23)
})

test('what is first everywhere has 1, and nothing more', () => {
  const fused = fuse([
    { seqs: [7], weight: 0.3 },
    { seqs: [7], weight: 0.7 },
  ])
  expect(fused.get(7)).toBeCloseTo(1)
})

test('a ranking without a weight has no say', () => {
  expect([
    ...fuse([
      { seqs: [1], weight: 0 },
      { seqs: [2], weight: 1 },
    ]).keys(),
  ]).toEqual([2])
  expect(fuse([]).size).toBe(0)
})

test('recency halves with each half-life, and ends above nothing', () => {
  const now = '2026-01-15T00:00:00.000Z'
  expect(recencyOf(now, now, 7)).toBe(1)
  expect(recencyOf('2026-01-08T00:00:00.000Z', now, 7)).toBeCloseTo(0.5)
  expect(recencyOf('2020-01-01T00:00:00.000Z', now, 7)).toBe(0.05)
  expect(recencyOf('2027-01-01T00:00:00.000Z', now, 7)).toBe(1)
  expect(recencyOf('no time', now, 7)).toBe(0.05)
})

test('age and importance decide between likes, and no more', () => {
  const fresh = tempered(0.8, { recency: 1, importance: 1 })
  const old = tempered(0.8, { recency: 0.05, importance: 0.1 })
  expect(fresh).toBe(0.8)
  expect(old).toBeLessThan(fresh)
  expect(old).toBeGreaterThan(0.7)
})
