/** Of reciprocal rank fusion: the greater, the less the very first places count. */
const rankConstant = 20

export interface Ranking {
  /** Best first. */
  seqs: readonly number[]
  /** How much its vote counts. */
  weight: number
}

/**
 * One ranking of several, by reciprocal rank: an entry gets weight / (20 + place) of each ranking that has it. Scaled so that
 * what is first everywhere gets 1.
 */
export function fuse(rankings: readonly Ranking[]): Map<number, number> {
  const fused = new Map<number, number>()
  const weights = rankings.reduce((sum, { weight }) => sum + weight, 0)
  if (weights === 0) return fused
  for (const { seqs, weight } of rankings) {
    if (weight === 0) continue
    for (const [place, seq] of seqs.entries()) {
      const share = (weight / weights) * ((rankConstant + 1) / (rankConstant + 1 + place))
      fused.set(seq, (fused.get(seq) ?? 0) + share)
    }
  }
  return fused
}

const dayMs = 86_400_000
const leastRecency = 0.05
/** What recency and importance may take away at most: they decide between likes, and no more. */
const recencySpan = 0.03
const importanceSpan = 0.03

/** 1 for now, a half after each half-life, and never quite nothing. */
export function recencyOf(at: string, now: string, halfLifeDays: number): number {
  const days = Math.max(0, (Date.parse(now) - Date.parse(at)) / dayMs)
  const recency = 0.5 ** (days / Math.max(halfLifeDays, 0.01))
  return Math.max(leastRecency, Math.min(1, Number.isFinite(recency) ? recency : leastRecency))
}

/** A score with its entry's age and importance in it. */
export function tempered(score: number, { recency, importance }: { recency: number; importance: number }): number {
  return score * (1 - recencySpan * (1 - recency)) * (1 - importanceSpan * (1 - importance))
}
