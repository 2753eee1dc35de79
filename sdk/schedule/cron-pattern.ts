import { Cron } from 'croner'
import { LRUCache } from 'lru-cache'

const keptPatterns = 2_000
const patterns = new LRUCache<string, Cron>({ max: keptPatterns })

/**
 * An expression that can be asked for its times. A time of day, be it one or a list, occurs once on each day: after
 * the gap where the clock skips it, and at the first of the two where the clock repeats it. What steps through the
 * hours keeps its pace through both.
 */
export function cronPattern(expr: string, tz: string): Cron {
  const key = `${tz} ${expr}`
  const kept = patterns.get(key)
  if (kept) return kept
  const made = new Cron(expr, { timezone: tz, paused: true, fixedTimeRule: 'no-wildcard' })
  patterns.set(key, made)
  return made
}
