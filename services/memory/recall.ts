import type { z } from 'zod'
import type { MemorySettings, Recalled, recallRequest, SearchTrace } from '#sdk/services/memory.ts'
import { type MemoryScores, memoryTiers } from '#sdk/services/memory-entry.ts'
import type { Filter } from './filter.ts'
import { type Candidate, candidate, toRecalled } from './recall/candidate.ts'
import { duplicates } from './recall/duplicates.ts'
import { echoesOf } from './recall/echoes.ts'
import { shareBudget } from './recall/share-budget.ts'
import { peopleIn, toolsOf, workingOf } from './recall/standing.ts'
import { type EntryRow, readEntries } from './rows.ts'
import { type SearchScene, searchRanked } from './search.ts'

type Request = z.output<typeof recallRequest>
type Reason = Recalled['left_out'][number]['reason']

/** Entries that a search may bring into a turn. */
const maxFound = 40
/** What vectors alone have found is shown from this likeness on. */
const leastLikeness = 0.2

export interface RecallScene extends SearchScene {
  settings: Pick<MemorySettings, 'hybrid_weight' | 'half_life_days' | 'budget_pct'>
}

/** What a turn is reminded of, within its budget, and what it is not, and why. */
export async function recall(request: Request, scene: RecallScene): Promise<Recalled> {
  const { found, trace } = await searchFor(request, scene)
  const candidates = inOrder([...standingOf(request, scene), ...found])
  const left: { candidate: Candidate; reason: Reason }[] = []
  const shown = new Set(request.shown_message_ids)
  const isEcho = echoesOf(request.text, candidates)
  const saidBefore = duplicates(scene.vectors.words)
  const fresh = candidates.filter((one) => {
    const isShown = one.row.message_id !== null && shown.has(one.row.message_id)
    const reason = isShown ? 'shown' : isEcho(one) || saidBefore(one) ? 'duplicate' : undefined
    if (reason) left.push({ candidate: one, reason })
    return reason === undefined
  })
  const shared = shareBudget(fresh, request.budget_tokens, scene.settings.budget_pct)
  left.push(...shared.left.map((one) => ({ candidate: one, reason: 'tier_budget' as const })))
  return {
    entries: shared.kept.map(toRecalled),
    left_out: left.map(({ candidate: { row, scores }, reason }) => ({
      id: row.id,
      tier: row.tier,
      score: scores.total,
      reason,
    })),
    trace,
  }
}

function filterOf({ agent_id, scope_key }: Request): Filter {
  return { agent_id, scope_key, tiers: [], category: null, session_id: null }
}

function standingOf(request: Request, { db, vectors, settings }: RecallScene): Candidate[] {
  const terms = { filter: filterOf(request), now: request.now, halfLifeDays: settings.half_life_days }
  return [
    ...workingOf(db, request.session_id, terms),
    ...peopleIn(db, request.text, vectors.words, terms),
    ...toolsOf(db, terms),
  ]
}

async function searchFor(request: Request, scene: RecallScene): Promise<{ found: Candidate[]; trace: SearchTrace }> {
  const { text, agent_id, scope_key, now } = request
  if (text.trim() === '') return { found: [], trace: nothingAsked }
  const { ranked, trace } = await searchRanked(
    { agent_id, scope_key, text, now, limit: maxFound, tiers: [], category: null, session_id: null, mode: 'fused' },
    scene,
  )
  const best = ranked.slice(0, maxFound * 2)
  const rows = readEntries(scene.db, best)
  const found = best.flatMap(({ seq, scores }) => {
    const row = rows.get(seq)
    return row && mayBeShown(row, scores, request.session_id) ? [candidate(row, scores)] : []
  })
  return { found: found.slice(0, maxFound), trace }
}

const nothingAsked = { embedding_model: null, vector_note: null, left_out_words: [], took_ms: 0 }

/** Another session's working memory is its own, and this one's is there already. */
function mayBeShown(row: EntryRow, scores: MemoryScores, sessionId: string): boolean {
  if (row.tier === 'working') return row.session_id === sessionId && row.category !== 'turn_summary'
  return scores.text !== null || scores.context !== null || (scores.vector ?? 0) >= leastLikeness
}

/** By tier, then the best first, each once with the better of its scores. */
function inOrder(candidates: readonly Candidate[]): Candidate[] {
  const once = new Map<number, Candidate>()
  for (const one of candidates) {
    const known = once.get(one.row.seq)
    if (!known || known.scores.total < one.scores.total) once.set(one.row.seq, one)
  }
  const place = (one: Candidate) => memoryTiers.indexOf(one.row.tier)
  return [...once.values()].sort(
    (left, right) =>
      place(left) - place(right) || right.scores.total - left.scores.total || right.row.seq - left.row.seq,
  )
}
