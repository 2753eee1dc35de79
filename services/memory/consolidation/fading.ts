import { ageDays, effectiveImportance } from '../decay.ts'
import type { MemoryRow, Step } from './consolidation.ts'

/** An event this old that counts less, and was never repeated, is let go. */
const minAgeDays = 90
const fadedImportance = 0.2
/** How long the history of events and working entries is kept; that of facts stays. */
const historyDays = 180
const reason = 'it was of little importance and has faded'

/** Lets go of what has faded, of experience that is out of use, and of old history. */
export async function letGo({ run, pages, now, settings }: Step): Promise<void> {
  for await (const rows of pages('oldest')) {
    run.counts.examined += rows.length
    for (const row of rows) {
      if (run.isFull) return
      if (run.isGone(row.id)) continue
      if (hasFaded(row, run.mentionsOf(row), now, settings.half_life_days)) {
        run.drop(row, reason)
        run.counts.pruned++
      } else if (isOutOfUse(row, now, settings.learning.stale_procedural_days)) {
        run.drop(row, `not used for ${settings.learning.stale_procedural_days} days`)
        run.counts.dropped++
      } else if (isOldHistory(row, now)) {
        run.remove(row)
        run.counts.pruned++
      }
    }
  }
}

function hasFaded(row: MemoryRow, mentions: number, now: string, halfLifeDays: number): boolean {
  return (
    row.tier === 'episodic' &&
    row.state === 'active' &&
    mentions < 2 &&
    ageDays(row.created_at, now) >= minAgeDays &&
    effectiveImportance(row, now, halfLifeDays) < fadedImportance
  )
}

function isOutOfUse({ tier, state, updated_at }: MemoryRow, now: string, staleDays: number): boolean {
  return tier === 'procedural' && state === 'active' && ageDays(updated_at, now) > staleDays
}

function isOldHistory({ tier, state, updated_at }: MemoryRow, now: string): boolean {
  return state !== 'active' && (tier === 'episodic' || tier === 'working') && ageDays(updated_at, now) > historyDays
}
