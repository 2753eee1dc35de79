import type { Logger } from 'pino'
import type { EventBus } from '#kernel/events/bus.ts'
import type { MemoryChange } from '#kernel/store/memories.ts'
import type { Client } from '#sdk/service.ts'
import type { memoryService } from '#sdk/services/memory.ts'

/** So many changes of one piece of work are told one by one; of a large import or a tidying-up the rest is silent. */
const maxEvents = 200
/** Numbers in one notice. */
const maxNumbers = 10_000

export type Announce = (changes: readonly MemoryChange[]) => void

/** Tells everybody what has changed, and the memory service which texts are new or gone. */
export function announcer({
  bus,
  service,
  log,
}: {
  bus: EventBus
  service: () => Pick<Client<typeof memoryService>, 'changed'>
  log: Logger
}): Announce {
  return (changes) => {
    for (const { op, tier, id, category, session_id } of changes.slice(0, maxEvents)) {
      const fields = { tier, id, category, ...(session_id !== null && { session_id }) }
      bus.publish('memory_changed', { ...fields, op })
      bus.publish('memory_updated', { ...fields, operation: op })
    }
    const removed = changes.filter(({ op, retired }) => op === 'delete' || retired).map(({ seq }) => seq)
    const saved = changes.filter(({ op, textChanged }) => op !== 'delete' && textChanged).map(({ seq }) => seq)
    for (let from = 0; from < Math.max(saved.length, removed.length); from += maxNumbers) {
      const part = { saved: saved.slice(from, from + maxNumbers), removed: removed.slice(from, from + maxNumbers) }
      // A process that is not there now reads everything when it starts.
      service()
        .changed(part)
        .catch((err: unknown) => log.debug({ err }, 'the memory service hears of a change when it starts'))
    }
  }
}
