import type { Candidate } from './candidate.ts'

/**
 * Tells what is left of earlier turns that were asked the very same: the question, which is there anyway, and what the
 * agent then said, which it would otherwise take for something it knows. That the question is new or old changes nothing
 * of what is shown, and so its answer can come from the cache.
 */
export function echoesOf(text: string, candidates: readonly Candidate[]): (candidate: Candidate) => boolean {
  const asked = plain(text)
  const isQuestion = ({ row }: Candidate) => row.tier === 'episodic' && plain(row.content) === asked
  const turns = new Set(candidates.filter(isQuestion).map(({ row }) => row.turn_id))
  turns.delete(null)
  return (one) =>
    isQuestion(one) || (one.row.tier === 'episodic' && one.row.source === 'agent' && turns.has(one.row.turn_id))
}

function plain(text: string): string {
  return text.normalize('NFKC').replaceAll(/\s+/g, ' ').trim().toLowerCase()
}
