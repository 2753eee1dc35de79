import { setTimeout as delay } from 'node:timers/promises'

const everyMs = 20

export interface Polled {
  asked: number
  /** In words. */
  failures: string[]
  longestMs: number
}

export interface Poller {
  /** Resolves once it has asked so many times more. */
  goOn(times: number): Promise<void>
  /** Resolves with everything, once the last question was answered or is lost. */
  stop(): Promise<Polled>
}

/**
 * Asks every 20 ms, whether the last question was answered or not. `ask` throws where the answer is not the right one; one
 * that takes longer than the deadline is none.
 */
export function startPoller(ask: (signal: AbortSignal) => Promise<void>, deadlineMs: number): Poller {
  const polled: Polled = { asked: 0, failures: [], longestMs: 0 }
  const underWay = new Set<Promise<void>>()

  async function askOnce() {
    polled.asked += 1
    const askedAt = performance.now()
    try {
      await ask(AbortSignal.timeout(deadlineMs))
    } catch (thrown) {
      polled.failures.push(
        thrown instanceof Error ? (thrown.cause instanceof Error ? thrown.cause : thrown).message : '',
      )
    }
    polled.longestMs = Math.max(polled.longestMs, performance.now() - askedAt)
  }

  const timer = setInterval(() => {
    const asking = askOnce().finally(() => underWay.delete(asking))
    underWay.add(asking)
  }, everyMs)
  return {
    async goOn(times) {
      for (const end = polled.asked + times; polled.asked < end; ) await delay(everyMs)
    },
    async stop() {
      clearInterval(timer)
      await Promise.all(underWay)
      return polled
    },
  }
}
