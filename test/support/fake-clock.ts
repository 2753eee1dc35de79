import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '../../services/scheduler/clock.ts'

interface Sleeper {
  /** By the monotonic clock. */
  until: number
  wake: () => void
}

/** More wake-ups without time going by than this are an endless loop. */
const maxStillWakes = 20_000

/** A clock that a test moves. Whatever is asleep wakes in order, and does all it can before time goes on. */
export class FakeClock implements Clock {
  /** Milliseconds that were asked for, of each sleep. */
  readonly sleeps: number[] = []
  #wall: number
  #monotonic = 1_000
  #sleepers: Sleeper[] = []

  constructor(now: number | string) {
    this.#wall = new Date(now).getTime()
  }

  now = () => this.#wall
  monotonic = () => this.#monotonic

  sleep = (ms: number, signal: AbortSignal): Promise<void> => {
    this.sleeps.push(ms)
    if (signal.aborted) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = () => {
      this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
      signal.removeEventListener('abort', wake)
      resolve()
    }
    const sleeper = { until: this.#monotonic + ms, wake }
    this.#sleepers.push(sleeper)
    signal.addEventListener('abort', wake, { once: true })
    return promise
  }

  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms
    for (;;) {
      await this.settle()
      const next = Math.min(...this.#sleepers.map(({ until }) => until))
      if (next > end) break
      this.#moveTo(next)
    }
    this.#moveTo(end)
    await this.settle()
  }

  /** Sets the clock on or back; the machine that slept sees the same. */
  async jump(ms: number): Promise<void> {
    await this.settle()
    this.#wall += ms
  }

  /** Until all that can be done now is done. */
  async settle(): Promise<void> {
    for (let wakes = 0; wakes < maxStillWakes; wakes++) {
      await turn()
      const due = this.#sleepers.filter(({ until }) => until <= this.#monotonic)
      if (due.length === 0) return
      for (const { wake } of due) wake()
    }
    throw new Error('something wakes again and again and waits for nothing')
  }

  #moveTo(monotonic: number): void {
    this.#wall += monotonic - this.#monotonic
    this.#monotonic = monotonic
  }
}
