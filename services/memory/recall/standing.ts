import type { MemoryTier } from '#sdk/services/memory-entry.ts'
import { conditions, type Filter, values } from '../filter.ts'
import { recencyOf } from '../fuse.ts'
import type { IndexWords } from '../index-words.ts'
import { namedIn } from '../named-in.ts'
import { type Reading, sql } from '../reading.ts'
import { type EntryRow, entryColumns } from '../rows.ts'
import { type Candidate, candidate } from './candidate.ts'

/** Entries of a tier that are looked at, by importance. */
const maxLookedAt = 300
/** Tools and sequences that are shown whatever the text. */
const mostUsed = 5
/** What a session's own entries are worth by what they are; summaries of turns say what its messages say. */
const workingWorth: Record<string, number> = { goal: 1, decision: 0.95, note: 0.9, fact: 0.85, observation: 0.8 }

interface Terms {
  filter: Filter
  now: string
  halfLifeDays: number
}

/** What this session is about: its goals first, then what was decided, then what was noted. */
export function workingOf(db: Reading, sessionId: string, terms: Terms): Candidate[] {
  const rows = mostImportant(db, { ...terms.filter, tiers: ['working'], session_id: sessionId })
  return rows
    .filter(({ category }) => Object.hasOwn(workingWorth, category))
    .map((row) => standing(row, (workingWorth[row.category] ?? 0) * (0.9 + row.importance / 100), terms))
    .sort(byTotal)
}

/** Who is named in the text. */
export function peopleIn(db: Reading, text: string, words: IndexWords, terms: Terms): Candidate[] {
  const isSaid = namedIn(text, words)
  return tierOf(db, 'relationship', terms.filter)
    .filter(({ name, key }) => isSaid(name) || isSaid(key))
    .map((row) => standing(row, 1, terms))
}

/** The tools that are used most, with how well they did. */
export function toolsOf(db: Reading, terms: Terms): Candidate[] {
  return tierOf(db, 'procedural', terms.filter)
    .sort((left, right) => usesOf(right) - usesOf(left))
    .slice(0, mostUsed)
    .map((row, at) => standing(row, 0.5 - at / 100, terms))
}

function usesOf({ successes, failures }: EntryRow): number {
  return successes + failures
}

function tierOf(db: Reading, tier: MemoryTier, filter: Filter): EntryRow[] {
  return mostImportant(db, { ...filter, tiers: [tier] })
}

function mostImportant(db: Reading, filter: Filter): EntryRow[] {
  const [tier] = filter.tiers
  return sql(
    db,
    `SELECT ${entryColumns} FROM memories AS m WHERE m.tier = @tier AND ${conditions({ ...filter, tiers: [] })}
     ORDER BY m.importance DESC, m.created_at DESC LIMIT ${maxLookedAt}`,
  ).all({ ...values(filter), tier }) as EntryRow[]
}

function standing(row: EntryRow, worth: number, { now, halfLifeDays }: Terms): Candidate {
  const recency = recencyOf(row.updated_at, now, halfLifeDays)
  return candidate(row, {
    text: null,
    vector: null,
    context: null,
    recency,
    importance: row.importance / 10,
    total: Math.min(1, worth),
  })
}

function byTotal(left: Candidate, right: Candidate): number {
  return right.scores.total - left.scores.total || right.row.seq - left.row.seq
}
