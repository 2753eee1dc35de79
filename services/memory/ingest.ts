import type { Logger } from 'pino'
import type { Client } from '#sdk/service.ts'
import type { kernelForMemory } from '#sdk/services/kernel.ts'
import { type Exchange, type MemoryChanges, type MemorySettings, memoryBounds } from '#sdk/services/memory.ts'
import { together } from './changes.ts'
import { isTrivial, turnKind } from './classify.ts'
import { episodesOf, type Speakers } from './episodes.ts'
import { experienceChanges } from './experience.ts'
import { factsByModel } from './facts/by-model.ts'
import { factsByRules, lastOfEach } from './facts/by-rules.ts'
import { type Found, maxFacts } from './facts/fact.ts'
import { activeByKey } from './known.ts'
import { peopleChanges } from './people.ts'
import type { Reading } from './reading.ts'
import { reconcile } from './reconcile.ts'
import { isKept, voiceOf } from './trust.ts'
import { workingChanges } from './working.ts'

export interface IngestDeps {
  db: Reading
  kernel: Pick<Client<typeof kernelForMemory>, 'ask'>
  settings: Pick<MemorySettings, 'extract_by_model' | 'learning'>
  log: Pick<Logger, 'warn'>
  signal: AbortSignal
}

const nothingFound: Found = { facts: [], people: [], goals: [], decisions: [], notes: [] }

/** What to remember of a turn. Others' words are kept as what they said, and are never facts about the user. */
export async function ingestExchange(exchange: Exchange, deps: IngestDeps): Promise<MemoryChanges> {
  const { db } = deps
  if (!isKept(exchange.status)) return together([peopleChanges(exchange, [], { db })])
  const voice = voiceOf(exchange.authority)
  const found = voice.trusted && !isTrivial(exchange.question.text) ? await whatIsFound(exchange, deps) : nothingFound
  const { agent_id, scope_key, question } = exchange
  const teller = { agent_id, scope_key, ...voice, message_id: question.message_id }
  const changes = together([
    reconcile(found.facts, teller, { db }),
    peopleChanges(exchange, found.people, { db }),
    workingChanges(exchange, found, { db }),
    experienceChanges(exchange, deps),
    { add: episodesOf(exchange, turnKind(exchange), speakersOf(exchange, { db })) },
  ])
  return { ...changes, add: changes.add.slice(0, memoryBounds.additions) }
}

/** Rules and, where it is wanted, a model: what a rule found stands. */
async function whatIsFound(exchange: Exchange, deps: IngestDeps): Promise<Found> {
  const ruled = factsByRules(exchange.question.text, exchange.at)
  if (!deps.settings.extract_by_model) return ruled
  const asked = await factsByModel(exchange, deps)
  return { ...ruled, facts: lastOfEach([...asked, ...ruled.facts]).slice(-maxFacts) }
}

function speakersOf({ peer, authority, agent_id, scope_key }: Exchange, { db }: { db: Reading }): Speakers {
  const known =
    authority === 'Creator'
      ? activeByKey(db, { agent_id, scope_key, tier: 'semantic', category: 'identity', key: 'name' })?.content
      : undefined
  const user = authority === 'SelfGenerated' ? agent_id : (peer?.name ?? known ?? peer?.id ?? 'user')
  return { user, agent: agent_id }
}
