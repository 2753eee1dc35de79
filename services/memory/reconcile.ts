import type { MemoryChanges, NewMemory } from '#sdk/services/memory.ts'
import { entry } from './changes.ts'
import type { Fact } from './facts/fact.ts'
import { keptText } from './kept-text.ts'
import { activeByKey, type KnownRow, scopesOf } from './known.ts'
import type { Reading } from './reading.ts'
import { saysTheSame } from './sameness.ts'

/** Of what is missing to certainty, what each time that it is said again adds. */
const confirmation = 0.25
/** A find this much less sure than what is known does not take its place. */
const maxDoubt = 0.25
/** After a contradiction neither is as sure as it was. */
const contradicted = 0.9

export interface Teller {
  agent_id: string
  scope_key: string
  source: NewMemory['source']
  trusted: boolean
  message_id: string | null
}

/**
 * What facts change in what is known: a new one is kept, the same one confirmed, another value takes the place of the
 * old one, which stays as history. What the user says is true in all of the agent's conversations; what is not trusted
 * never touches what is.
 */
export function reconcile(facts: readonly Fact[], teller: Teller, { db }: { db: Reading }): Partial<MemoryChanges> {
  const changes = { add: [], update: [], supersede: [], drop: [] } satisfies Partial<MemoryChanges> as Omit<
    MemoryChanges,
    'remove'
  >
  const scopes =
    teller.trusted && facts.length > 0
      ? [...new Set([teller.scope_key, ...scopesOf(db, teller.agent_id)])]
      : [teller.scope_key]
  for (const fact of facts) {
    const [made] = entry({
      tier: 'semantic',
      category: fact.category,
      key: fact.key,
      name: fact.name,
      content: fact.value ?? 'nothing',
      importance: fact.importance,
      confidence: fact.confidence,
      source: teller.source,
      trusted: teller.trusted,
      message_id: teller.message_id,
    })
    if (!made?.key) continue
    const { category, key } = made
    const rows = scopes.flatMap(
      (scope_key) => activeByKey(db, { agent_id: teller.agent_id, scope_key, tier: 'semantic', category, key }) ?? [],
    )
    const known = rows.filter(({ trusted }) => (trusted === 1) === teller.trusted)
    if (fact.retracts) {
      for (const { id, content } of known)
        if (fact.value === null || saysTheSame(content, keptText(fact.value)))
          changes.drop.push({ id, reason: 'the user said that it is not so' })
      continue
    }
    // Its own place may hold what is trusted more, or less: the trusted value stands.
    const own = rows.find(
      ({ scope_key, trusted }) => scope_key === teller.scope_key && (trusted === 1) !== teller.trusted,
    )
    if (own && !teller.trusted) continue
    const same = known.find(({ content }) => saysTheSame(content, made.content))
    if (same) {
      changes.update.push(confirmed(same, made))
      for (const row of known) if (row !== same) changes.supersede.push(givesWay(row, made, same.id))
      continue
    }
    if (known.some(({ confidence }) => confidence - made.confidence > maxDoubt)) continue
    const giving = own ? [...known, own] : known
    changes.add.push(known.length > 0 ? { ...made, confidence: made.confidence * contradicted } : made)
    for (const row of giving) changes.supersede.push(givesWay(row, made, made.id))
  }
  return changes
}

function confirmed(row: KnownRow, made: NewMemory): MemoryChanges['update'][number] {
  const sure = Math.max(row.confidence, made.confidence)
  return {
    id: row.id,
    confidence: Math.round((sure + (1 - sure) * confirmation) * 1_000) / 1_000,
    importance: Math.max(row.importance, made.importance),
    mentions: row.mentions + 1,
  }
}

function givesWay({ id, content }: KnownRow, made: NewMemory, by: string): MemoryChanges['supersede'][number] {
  const opposed = made.category === 'preference' && /^dislikes /.test(content) !== /^dislikes /.test(made.content)
  return { id, by, reason: opposed ? 'the user now says the opposite' : 'a newer value took its place' }
}
