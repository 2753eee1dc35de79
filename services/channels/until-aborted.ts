import type { Adapter } from './adapter.ts'

/** How an adapter receives: what is thrown once the signal has ended it is no failure. */
export function untilAborted(follow: (signal: AbortSignal) => Promise<void>): Adapter['receive'] {
  return async (signal) => {
    try {
      await follow(signal)
    } catch (thrown) {
      if (!signal.aborted) throw thrown
    }
  }
}
