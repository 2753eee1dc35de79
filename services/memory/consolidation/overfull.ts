import { memoryTiers } from '#sdk/services/memory-entry.ts'
import { sql } from '../reading.ts'
import type { MemoryRow, Step } from './consolidation.ts'

/** Where a tier has more than it may, what is least important and oldest goes first, and before it what nobody vouches for. */
export async function keepWithinBounds({ db, run, bounds, report }: Step): Promise<void> {
  const count = sql(db, `SELECT count(*) AS count FROM memories WHERE tier = ? AND state = 'active'`)
  const least = sql(
    db,
    `SELECT id, tier FROM memories WHERE tier = ? AND state = 'active' AND trusted = ?
     ORDER BY importance, created_at LIMIT ?`,
  )
  // Working memory is bounded for each session, when something is added to it.
  const tiers = memoryTiers.filter((tier) => tier !== 'working')
  for (const [at, tier] of tiers.entries()) {
    const added = run.addedTo(tier)
    const gone = run.goneOf(tier)
    let excess = (count.get(tier) as { count: number }).count + added - gone - bounds[tier]
    for (const trusted of [0, 1]) {
      if (excess <= 0) break
      for (const row of least.all(tier, trusted, excess + gone) as Pick<MemoryRow, 'id' | 'tier'>[]) {
        if (excess <= 0 || run.isFull) break
        if (run.isGone(row.id)) continue
        run.drop(row, `there are more than ${bounds[tier]} ${tier} entries`)
        run.counts.pruned++
        excess--
      }
    }
    await report(at + 1, tiers.length)
  }
}
