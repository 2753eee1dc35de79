import { type Reading, sql } from '../reading.ts'
import { nearlyTheSame, type Words, wordsOf } from '../sameness.ts'
import { type MemoryRow, rowColumns, type Step } from './consolidation.ts'

/** Entries of one run that are compared, the newest first: older ones were when they were new. */
const maxCompared = 5_000
/** Entries that one is compared with. */
const maxCandidates = 50
/** Words by which they are looked up: the longest, which are seldom the commonest. */
const lookedUp = 3
/** Semantic entries that are whole sentences; of others the key tells what they are about, and it is one already. */
const sentences = new Set(['note', 'decision', 'recurring'])

/** What is said twice by the same voice is kept once, in the words that say most, and counted. */
export async function mergeDuplicates({ db, run, pages, rest }: Step): Promise<void> {
  const groups = new Groups()
  for await (const rows of pages('newest', maxCompared)) {
    for (const row of rows) {
      if (!isComparable(row) || run.isGone(row.id)) continue
      await rest()
      const words = wordsOf(row.content)
      for (const other of candidatesOf(db, row, words))
        if (!run.isGone(other.id) && nearlyTheSame(words, wordsOf(other.content))) groups.join(row, other)
    }
  }
  for (const group of groups.all()) {
    if (run.isFull) return
    const [kept, ...others] = group.toSorted(
      (one, other) => wordsOf(other.content).all.size - wordsOf(one.content).all.size || other.seq - one.seq,
    )
    if (kept) run.merge(kept, others)
  }
}

function isComparable({ tier, category, state }: MemoryRow): boolean {
  return state === 'active' && (tier === 'episodic' || (tier === 'semantic' && sentences.has(category)))
}

type Voiced = Pick<MemoryRow, 'seq' | 'tier' | 'category' | 'agent_id' | 'scope_key' | 'source' | 'trusted' | 'name'>

/** Active entries of the same voice that may say the same. */
export function candidatesOf(db: Reading, row: Voiced, { all }: Words): MemoryRow[] {
  const longest = [...all].sort((one, other) => other.length - one.length || (one < other ? -1 : 1)).slice(0, lookedUp)
  const [first, ...rest] = longest.map((word) => `"${word.replaceAll('"', '')}"`)
  if (first === undefined) return []
  // One word more or less is allowed, so two of the three must be there.
  const [second, third] = rest
  const match =
    second === undefined
      ? first
      : third === undefined
        ? `${first} AND ${second}`
        : `(${first} AND ${second}) OR (${first} AND ${third}) OR (${second} AND ${third})`
  return sql(
    db,
    `SELECT ${rowColumns.replaceAll(/\w+/g, 'm.$&')} FROM memory_fts f JOIN memories m ON m.seq = f.rowid
     WHERE memory_fts MATCH @match AND m.seq <> @seq AND m.state = 'active' AND m.tier = @tier AND m.agent_id = @agent_id
       AND m.scope_key = @scope_key AND m.source = @source AND m.trusted = @trusted AND (m.name IS @name OR m.source = 'user')
       AND (m.tier = 'episodic' OR m.category = @category)
     ORDER BY f.rowid LIMIT ${maxCandidates}`,
  ).all({ ...row, match: `content : (${match})` }) as MemoryRow[]
}

/** Entries that are joined, directly or through others. */
class Groups {
  readonly #groupOf = new Map<string, Map<string, MemoryRow>>()

  join(one: MemoryRow, other: MemoryRow): void {
    const group = this.#groupOf.get(one.id) ?? new Map([[one.id, one]])
    const joined = this.#groupOf.get(other.id) ?? new Map([[other.id, other]])
    if (group === joined) return
    const [large, small] = group.size >= joined.size ? [group, joined] : [joined, group]
    for (const [id, row] of small) large.set(id, row)
    for (const id of large.keys()) this.#groupOf.set(id, large)
  }

  all(): MemoryRow[][] {
    return [...new Set(this.#groupOf.values())].map((group) => [...group.values()])
  }
}
