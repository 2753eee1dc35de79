import type { LogEntry } from '#sdk/contracts/logs.ts'
import { timestamp } from '#sdk/ids.ts'
import { type LogFilter, matches, parseLogLine } from './log-entry.ts'

/** Entries that wait for one slow reader; older ones are dropped and counted. */
const maxWaiting = 1_000

/** The log as it is written. */
export interface LogFeed {
  /** Entries from now on, until the signal aborts or the log closes. A reader that is too slow is told what it missed. */
  follow(filter: LogFilter, signal: AbortSignal): AsyncGenerator<LogEntry, void, undefined>
}

interface Follower {
  push(entry: LogEntry): void
  end(): void
}

export class LiveLogFeed implements LogFeed {
  readonly #followers = new Set<Follower>()

  /** Hands a line that was just written to those who follow. */
  publish(line: string): void {
    if (this.#followers.size === 0) return
    const entry = parseLogLine(line)
    if (entry) for (const follower of this.#followers) follower.push(entry)
  }

  close(): void {
    for (const follower of this.#followers) follower.end()
  }

  follow(filter: LogFilter, signal: AbortSignal): AsyncGenerator<LogEntry, void, undefined> {
    const waiting: LogEntry[] = []
    let missed = 0
    let ended = signal.aborted
    let wake = () => {}
    const follower: Follower = {
      push(entry) {
        if (!matches(entry, filter)) return
        waiting.push(entry)
        if (waiting.length > maxWaiting) {
          waiting.shift()
          missed += 1
        }
        wake()
      },
      end() {
        ended = true
        wake()
      },
    }
    // From the call on, not from the first `next`: nothing falls between the backlog and the feed.
    if (!ended) this.#followers.add(follower)
    signal.addEventListener('abort', follower.end, { once: true })
    const followers = this.#followers

    async function* entries() {
      try {
        while (true) {
          if (missed > 0) {
            yield {
              timestamp: timestamp(),
              level: 'warn' as const,
              message: `${missed} entries were left out`,
              target: 'logs',
            }
            missed = 0
          }
          const entry = waiting.shift()
          if (entry) yield entry
          else if (ended) return
          else
            await new Promise<void>((resolve) => {
              wake = resolve
            })
        }
      } finally {
        followers.delete(follower)
        signal.removeEventListener('abort', follower.end)
      }
    }
    return entries()
  }
}
