import { expect, test } from 'vitest'
import { EventRing, ringMaxAgeMs, ringMaxBytes, ringMaxEvents } from '#kernel/events/ring.ts'

const event = (seq: number, at = 0, text = '{}') => ({ seq, type: 'x', text, at })
const seqs = (events: { seq: number }[]) => events.map(({ seq }) => seq)

test('gives what comes after a number, oldest first and no more than asked', () => {
  const ring = new EventRing()
  for (let seq = 11; seq <= 20; seq++) ring.push(event(seq))
  expect(seqs(ring.after(17, 10))).toEqual([18, 19, 20])
  expect(seqs(ring.after(0, 2))).toEqual([11, 12])
  expect(ring.after(20, 10)).toEqual([])
})

test('keeps the newest by count', () => {
  const ring = new EventRing()
  for (let seq = 1; seq <= ringMaxEvents + 1_500; seq++) ring.push(event(seq))
  expect(ring.oldest?.seq).toBe(1_501)
  expect(ring.after(0, 20_000)).toHaveLength(ringMaxEvents)
})

test('keeps the newest by age', () => {
  const ring = new EventRing()
  ring.push(event(1, 0))
  ring.push(event(2, 5))
  ring.push(event(3, ringMaxAgeMs + 3))
  expect(seqs(ring.after(0, 10))).toEqual([2, 3])
})

test('keeps the newest by size, and always the very newest', () => {
  const ring = new EventRing()
  ring.push(event(1, 0, 'x'.repeat(ringMaxBytes)))
  ring.push(event(2, 0, 'y'))
  expect(seqs(ring.after(0, 10))).toEqual([2])
  ring.push(event(3, 0, 'x'.repeat(ringMaxBytes + 1)))
  expect(seqs(ring.after(0, 10))).toEqual([3])
})
