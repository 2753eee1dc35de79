import { expect, test } from 'vitest'
import { Quality } from '../../services/inference/quality.ts'

test('a grade counts as five scores, from nothing at 1 to all at 5', () => {
  const quality = new Quality({ 'a/m': [0.4, 0.6] })
  expect([quality.mean('a/m'), quality.count('a/m')]).toEqual([0.5, 2])
  quality.grade({ model: 'a/m', turn_id: 't1', grade: 5 })
  expect(quality.mean('a/m')).toBeCloseTo((0.4 + 0.6 + 5) / 7)
  quality.grade({ model: 'a/m', turn_id: 't2', grade: 2 })
  expect(quality.mean('a/m')).toBeCloseTo((0.4 + 0.6 + 5 + 5 * 0.25) / 12)
  expect(quality.count('a/m')).toBe(4)
  expect(quality.grades('a/m')).toEqual({ grade_count: 2, avg_grade: 3.5 })
  expect(quality.grades('b/m')).toEqual({ grade_count: 0, avg_grade: null })
})

test('a turn that is graded anew has no other grade, and a model is known by its grades alone', () => {
  const quality = new Quality({}, [
    { model: 'a/m', turn_id: 't1', grade: 1 },
    { model: 'a/m', turn_id: 't2', grade: 3 },
  ])
  expect([quality.mean('a/m'), quality.count('a/m')]).toEqual([0.25, 2])
  quality.grade({ model: 'a/m', turn_id: 't1', grade: 5 })
  expect([quality.mean('a/m'), quality.count('a/m')]).toEqual([0.75, 2])
  expect(quality.mean('b/m')).toBeUndefined()
})

test('the last hundred grades of a model count, and those of a thousand models', () => {
  const quality = new Quality()
  for (let n = 0; n < 150; n++) quality.grade({ model: 'a/m', turn_id: `t${n}`, grade: n < 50 ? 1 : 5 })
  expect(quality.grades('a/m')).toEqual({ grade_count: 100, avg_grade: 5 })
  // The oldest that is left is given up, and not the one that has just been graded again.
  quality.grade({ model: 'a/m', turn_id: 't50', grade: 5 })
  quality.grade({ model: 'a/m', turn_id: 'new', grade: 5 })
  quality.grade({ model: 'a/m', turn_id: 't50', grade: 1 })
  expect(quality.grades('a/m').grade_count).toBe(100)
  for (let n = 0; n < 1_000; n++) quality.grade({ model: `model ${n}`, turn_id: 't', grade: 3 })
  expect(quality.count('a/m')).toBe(0)
  expect(quality.count('model 0')).toBe(1)
})
