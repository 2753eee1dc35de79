import { memoryBounds } from '#sdk/services/memory.ts'
import { entry } from '../changes.ts'
import { keyOf } from '../facts/fact.ts'
import { activeByKey } from '../known.ts'
import { nearlyTheSame, wordsOf } from '../sameness.ts'
import type { MemoryRow, Step } from './consolidation.ts'
import { candidatesOf } from './duplicates.ts'

/** Said so often, it is no event any more but how things are. */
const minMentions = 3
const confidence = 0.6
const category = 'recurring'

/** Makes facts of what the user says again and again. What others repeat stays what they said. */
export async function promoteRepeated({ db, run, pages }: Step): Promise<void> {
  const made = new Set<string>()
  for await (const rows of pages('oldest')) {
    for (const row of rows) {
      if (run.isFull || run.counts.promoted >= memoryBounds.additions) return
      if (!isOfTheUser(row) || run.isGone(row.id) || run.mentionsOf(row) < minMentions) continue
      const { agent_id, scope_key } = row
      const [fact] = entry({
        tier: 'semantic',
        category,
        key: keyOf(row.content),
        name: row.name,
        content: row.content,
        importance: row.importance,
        confidence,
        mentions: run.mentionsOf(row),
        source: row.source,
        trusted: true,
        owner: { agent_id, scope_key },
      })
      if (!fact?.key) continue
      const place = `${agent_id}\n${scope_key}\n${fact.key}`
      if (made.has(place) || isKnown({ db, run }, row, fact.key)) continue
      made.add(place)
      run.add(fact)
      run.counts.promoted++
    }
  }
}

function isKnown({ db, run }: Pick<Step, 'db' | 'run'>, row: MemoryRow, key: string): boolean {
  const { agent_id, scope_key } = row
  const same = activeByKey(db, { agent_id, scope_key, tier: 'semantic', category, key })
  if (same && !run.isGone(same.id)) return true
  const words = wordsOf(row.content)
  return candidatesOf(db, { ...row, seq: 0, tier: 'semantic', category }, words).some(
    ({ id, content }) => !run.isGone(id) && nearlyTheSame(words, wordsOf(content)),
  )
}

function isOfTheUser({ tier, state, source, trusted }: MemoryRow): boolean {
  return tier === 'episodic' && state === 'active' && source === 'user' && trusted === 1
}
