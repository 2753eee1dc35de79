import { setTimeout as delay } from 'node:timers/promises'

/** All that the scheduler knows of time, so that a test may move it by hand. Everything in milliseconds. */
export interface Clock {
  /** Since 1970, as the machine's clock says; it may be set, and goes on while the machine sleeps. */
  now: () => number
  /** Since some moment; it is never set. */
  monotonic: () => number
  /** Ends early, and without an error, when the signal is aborted. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    await delay(ms, undefined, { signal }).catch((thrown) => {
      if (!signal.aborted) throw thrown
    })
  },
}

const driftMs = 2_000

/** Compares the two clocks at each look: how far one has left the other since the last, where that is no mere drift. */
export function watchClock(clock: Clock): () => number {
  let offset = clock.now() - clock.monotonic()
  return () => {
    const jumpedBy = clock.now() - clock.monotonic() - offset
    offset += jumpedBy
    return Math.abs(jumpedBy) > driftMs ? Math.round(jumpedBy) : 0
  }
}
