import type { MemorySettings, SearchMode } from '#sdk/services/memory.ts'
import type { MemoryScores } from '#sdk/services/memory-entry.ts'
import type { Filter } from './filter.ts'
import { fuse, recencyOf, tempered } from './fuse.ts'
import { Neighbours, type Scored } from './neighbours.ts'
import { type Place, readPlaces } from './places.ts'
import type { Reading } from './reading.ts'

export interface Found {
  mode: SearchMode
  /** By words, best first. */
  text: readonly Scored[]
  /** By vectors, best first; scores are similarities. */
  vectors: readonly Scored[]
  /** How much vectors count beside words, 0 to 1. */
  vectorWeight: number
  /** Whether the one who is called so is named in what was asked. */
  isNamed: (name: string | null) => boolean
}

export interface Ranked {
  seq: number
  scores: MemoryScores
}

export interface Terms {
  filter: Filter
  settings: Pick<MemorySettings, 'half_life_days'>
  now: string
}

/** What is said by the one who is named counts so much more than what is said to them. */
const namedFactor = 2
/** Of the mean of a conversation's best, what each entry of it gets: where much is found, there is more. */
const sessionShare = 0.2
const bestOfSession = 3

/** One ranking of what words, vectors and the conversations around them say. */
export function rank(db: Reading, { mode, text, vectors, vectorWeight, isNamed }: Found, terms: Terms): Ranked[] {
  const places = readPlaces(
    db,
    [...text, ...vectors].map(({ seq }) => seq),
    terms.filter,
  )
  const neighbours = new Neighbours(db)
  const lentByText = mode === 'fused' ? neighbours.lent(text, places) : none
  const lentByVectors = mode === 'fused' ? neighbours.lent(vectors, places) : none
  const around = [...lentByText.keys(), ...lentByVectors.keys()].filter((seq) => !places.has(seq))
  for (const [seq, place] of readPlaces(db, around, terms.filter)) places.set(seq, place)

  const order = (own: readonly Scored[], lent: ReadonlyMap<number, number>) => {
    const scores = new Map([...lent, ...own.map(({ seq, score }) => [seq, score + (lent.get(seq) ?? 0)] as const)])
    return mode === 'fused' ? inConversation(scores, places, isNamed) : bestFirst(scores)
  }
  const byText = order(text, lentByText)
  const byVectors = order(vectors, lentByVectors)
  const fused = fuse([
    { seqs: byText, weight: byVectors.length > 0 ? 1 - vectorWeight : 1 },
    { seqs: byVectors, weight: byText.length > 0 ? vectorWeight : 1 },
  ])
  const shares = {
    text: shareOf(text, text[0]?.score),
    vector: shareOf(vectors, 1),
    context: shareOf(
      [...lentByText].map(([seq, score]) => ({ seq, score })),
      Math.max(text[0]?.score ?? 0, ...lentByText.values()),
    ),
  }
  return [...fused]
    .flatMap(([seq, score]) => {
      const place = places.get(seq)
      return place ? [scored(place, score, shares, terms)] : []
    })
    .sort((left, right) => right.scores.total - left.scores.total || right.seq - left.seq)
}

const none: ReadonlyMap<number, number> = new Map()

type Shares = Record<'text' | 'vector' | 'context', ReadonlyMap<number, number>>

function scored({ seq, updated_at, importance: tenths }: Place, score: number, shares: Shares, terms: Terms): Ranked {
  const recency = recencyOf(updated_at, terms.now, terms.settings.half_life_days)
  const importance = tenths / 10
  return {
    seq,
    scores: {
      text: shares.text.get(seq) ?? null,
      vector: shares.vector.get(seq) ?? null,
      context: shares.context.get(seq) ?? null,
      recency,
      importance,
      total: clamp(tempered(score, { recency, importance })),
    },
  }
}

/** Best first, with who speaks and what else the conversation has taken into account. */
function inConversation(
  scores: ReadonlyMap<number, number>,
  places: ReadonlyMap<number, Place>,
  isNamed: Found['isNamed'],
): number[] {
  const told = [...scores].flatMap(([seq, score]) => {
    const place = places.get(seq)
    return place ? [{ seq, place, score: isNamed(place.name) ? score * namedFactor : score }] : []
  })
  const worth = new Map<string, number>()
  for (const [session, entries] of Map.groupBy(told, ({ place }) => place.session_id)) {
    const best = entries.map(({ score }) => score).sort((left, right) => right - left)
    const sum = best.slice(0, bestOfSession).reduce((total, score) => total + score, 0)
    if (session !== null) worth.set(session, (sum / bestOfSession) * sessionShare)
  }
  return bestFirst(
    new Map(told.map(({ seq, place, score }) => [seq, score + (worth.get(place.session_id ?? '') ?? 0)])),
  )
}

function bestFirst(scores: ReadonlyMap<number, number>): number[] {
  return [...scores].sort(([, left], [, right]) => right - left).map(([seq]) => seq)
}

function shareOf(entries: readonly Scored[], best = 0): Map<number, number> {
  return new Map(entries.map(({ seq, score }) => [seq, best > 0 ? clamp(score / best) : 0]))
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value))
}
