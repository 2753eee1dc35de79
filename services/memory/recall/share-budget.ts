import { type MemoryTier, memoryTiers } from '#sdk/services/memory-entry.ts'
import type { Candidate } from './candidate.ts'

/**
 * Gives each tier its share of the budget, the best entries first. What a tier has no use for goes to the best of those
 * that are still without room, whatever their tier.
 */
export function shareBudget(
  candidates: readonly Candidate[],
  budgetTokens: number,
  shares: Partial<Record<MemoryTier, number>>,
): { kept: Candidate[]; left: Candidate[] } {
  const kept = new Set<Candidate>()
  let spent = 0
  for (const tier of memoryTiers) {
    let room = Math.floor((budgetTokens * (shares[tier] ?? 0)) / 100)
    for (const one of candidates) {
      if (one.row.tier !== tier || one.tokens > room) continue
      kept.add(one)
      room -= one.tokens
      spent += one.tokens
    }
  }
  const waiting = candidates.filter((one) => !kept.has(one) && (shares[one.row.tier] ?? 0) > 0)
  for (const one of waiting.toSorted((left, right) => right.scores.total - left.scores.total)) {
    if (spent + one.tokens > budgetTokens) continue
    kept.add(one)
    spent += one.tokens
  }
  return { kept: candidates.filter((one) => kept.has(one)), left: candidates.filter((one) => !kept.has(one)) }
}
