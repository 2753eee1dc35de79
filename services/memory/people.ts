import type { Exchange, MemoryChanges } from '#sdk/services/memory.ts'
import { entry, together } from './changes.ts'
import { keyOf, type Person } from './facts/fact.ts'
import { activeByKey } from './known.ts'
import type { Reading } from './reading.ts'
import { isKept } from './trust.ts'

/** Where the trust in somebody begins, and where it goes as long as the channel grants them that authority. */
const trust = {
  External: { from: 0.2, to: 0.2 },
  Peer: { from: 0.4, to: 0.6 },
  SelfGenerated: { from: 0.5, to: 0.5 },
  Creator: { from: 0.8, to: 0.95 },
} as const
/** Of the way that is left, what one exchange moves it. */
const step = 0.05
const namedTrust = 0.5

/** Who is who. What people say of themselves moves nothing: only the authority that the channel vouches for does. */
export function peopleChanges(
  exchange: Exchange,
  people: readonly Person[],
  { db }: { db: Reading },
): Partial<MemoryChanges> {
  return together([writer(exchange, { db }), ...onceEach(people).map((person) => named(exchange, person, { db }))])
}

function writer(
  { peer, authority, channel, status, agent_id, scope_key, question }: Exchange,
  { db }: { db: Reading },
): Partial<MemoryChanges> {
  const key = peer?.id.trim() ?? ''
  if (!peer || key === '') return {}
  const { from, to } = trust[authority]
  const [made] = entry({
    tier: 'relationship',
    category: 'peer',
    key,
    name: peer.name,
    content: `Writes on ${channel}`,
    importance: 5,
    confidence: from,
    source: 'keel',
    // A name that somebody gives himself is a stranger's word.
    trusted: authority === 'Creator',
    message_id: question.message_id,
  })
  if (!made?.key) return {}
  const row = activeByKey(db, { agent_id, scope_key, tier: 'relationship', category: made.category, key: made.key })
  if (!row) return { add: [made] }
  const goal = isKept(status) ? to : 0
  const moved = row.confidence + (goal - row.confidence) * step
  return {
    update: [
      {
        id: row.id,
        mentions: row.mentions + 1,
        name: made.name ?? row.name,
        confidence: Math.round(moved * 10_000) / 10_000,
      },
    ],
  }
}

/** Somebody whom the user names. */
function named(
  { agent_id, scope_key, question }: Exchange,
  { relation, name }: Person,
  { db }: { db: Reading },
): Partial<MemoryChanges> {
  const [made] = entry({
    tier: 'relationship',
    category: 'person',
    key: keyOf(`${relation} ${name}`),
    name,
    content: `${name}, the user's ${relation}`,
    importance: 6,
    confidence: namedTrust,
    source: 'user',
    trusted: true,
    message_id: question.message_id,
  })
  if (!made?.key) return {}
  const row = activeByKey(db, { agent_id, scope_key, tier: 'relationship', category: made.category, key: made.key })
  return row ? { update: [{ id: row.id, mentions: row.mentions + 1 }] } : { add: [made] }
}

function onceEach(people: readonly Person[]): Person[] {
  return [...new Map(people.map((person) => [keyOf(`${person.relation} ${person.name}`), person])).values()]
}
