import { pino } from 'pino'
import { afterEach, expect, test, vi } from 'vitest'
import { startHousekeeping } from '#kernel/housekeeping.ts'
import { temporaryStore } from '../support/temp-store.ts'

const minute = 60_000

afterEach(() => {
  vi.useRealTimers()
})

/** Housekeeping from 10:05 on, whose ticks are counted; `failing` throws in each. */
function scene({ failing = false } = {}) {
  const { store } = temporaryStore()
  const lines: string[] = []
  const log = pino({}, { write: (line) => void lines.push(line) })
  vi.useFakeTimers({ now: Date.parse('2026-03-29T10:05:00Z'), toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  const ticks: string[] = []
  const memory = {
    tidy() {
      ticks.push(new Date().toISOString().slice(11, 19))
      if (failing) throw new Error('the memory is away')
    },
  }
  const stop = startHousekeeping({ store, memory, channels: { tidy: () => {} }, retention: { tidy: () => {} }, log })
  return { ticks, lines, stop }
}

test('every ten minutes it tidies, until it is stopped', async () => {
  const { ticks, stop } = scene()
  await vi.advanceTimersByTimeAsync(26 * minute)
  expect(ticks).toEqual(['10:10:00', '10:20:00', '10:30:00'])
  stop()
  await vi.advanceTimersByTimeAsync(60 * minute)
  expect(ticks).toHaveLength(3)
  expect(vi.getTimerCount()).toBe(0)
})

test('after a sleep one tick makes up for all that were missed, and nothing is said of it', async () => {
  const { ticks, lines, stop } = scene()
  vi.setSystemTime(Date.parse('2026-03-29T13:04:00Z'))
  await vi.advanceTimersByTimeAsync(6 * minute)
  expect(ticks).toEqual(['13:09:00', '13:10:00'])
  expect(lines).toEqual([])
  stop()
})

test('a tick that fails is told, and the next one comes', async () => {
  const { ticks, lines, stop } = scene({ failing: true })
  await vi.advanceTimersByTimeAsync(16 * minute)
  expect(ticks).toEqual(['10:10:00', '10:20:00'])
  expect(
    lines.filter((line) => line.includes('housekeeping failed') && line.includes('the memory is away')),
  ).toHaveLength(2)
  stop()
})
