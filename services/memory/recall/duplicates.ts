import type { IndexWords } from '../index-words.ts'
import type { Candidate } from './candidate.ts'

/** Of the words of two entries together, the share that both have: from here on they say the same. */
const sameFrom = 0.8

/** Tells for entries, the best first, whether one before said the same. */
export function duplicates(words: IndexWords): (candidate: Candidate) => boolean {
  const before: ReadonlySet<string>[] = []
  return ({ row }) => {
    const tokens = new Set(
      words.of([row.key, row.name, row.content].filter(Boolean).join(' ')).flatMap((word) => word.tokens),
    )
    if (tokens.size > 0 && before.some((other) => likeness(tokens, other) >= sameFrom)) return true
    before.push(tokens)
    return false
  }
}

function likeness(left: ReadonlySet<string>, right: ReadonlySet<string>): number {
  const shared = left.intersection(right).size
  return shared / (left.size + right.size - shared)
}
