import { newId } from '#sdk/ids.ts'
import type { NewMemory } from '#sdk/services/memory.ts'

/** What somebody said, of no particular weight, unless told otherwise. */
export function newMemory(given: Partial<NewMemory> & Pick<NewMemory, 'content'>): NewMemory {
  return {
    id: newId(),
    tier: 'episodic',
    category: 'event',
    key: null,
    name: null,
    importance: 5,
    confidence: 1,
    mentions: 1,
    successes: 0,
    failures: 0,
    source: 'user',
    trusted: true,
    message_id: null,
    ...given,
  }
}
