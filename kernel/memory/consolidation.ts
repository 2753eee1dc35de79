import { setImmediate as nextRound } from 'node:timers/promises'
import type { Logger } from 'pino'
import { z } from 'zod'
import type { EventBus } from '#kernel/events/bus.ts'
import type { ReadableDb } from '#kernel/store/database.ts'
import { findIdentity, setIdentity } from '#kernel/store/identity.ts'
import { applyMemoryChanges } from '#kernel/store/memories.ts'
import type { Store } from '#kernel/store/store.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import type { Client } from '#sdk/service.ts'
import { type ConsolidationReport, consolidationReport, type memoryService } from '#sdk/services/memory.ts'
import type { Announce } from './announce.ts'
import type { MemoryWork } from './memory-work.ts'

const everyMs = 86_400_000
/** No turn, and whose, each new entry says. */
const nobody = { agent_id: '', scope_key: '', session_id: null, turn_id: null }

const savedReport = consolidationReport.extend({ at: z.string() })
export type SavedReport = z.infer<typeof savedReport>

export interface ConsolidationDeps {
  store: Store
  bus: EventBus
  log: Logger
  work: MemoryWork
  service: () => Pick<Client<typeof memoryService>, 'consolidate'>
  announce: Announce
}

export function lastConsolidation(db: ReadableDb): SavedReport | null {
  const saved = findIdentity(db, 'memory_consolidated')
  return saved === undefined ? null : savedReport.parse(JSON.parse(saved))
}

export function isConsolidationDue(db: ReadableDb, now = Date.now()): boolean {
  const last = lastConsolidation(db)
  return last === null || now - Date.parse(last.at) >= everyMs
}

/**
 * Nothing is kept before the service has said all of it. It is kept batch by batch, with a moment for others in between: what
 * a kernel that dies on the way has not kept, the next run finds again.
 */
export function consolidate(deps: ConsolidationDeps): Promise<ConsolidationReport> {
  const { store, bus, log, work, service, announce } = deps
  return work.runBehind(async (signal) => {
    const at = timestamp()
    const { batches, report } = await service().consolidate({ now: at }, { signal, onChunk: () => {} })
    signal.throwIfAborted()
    // It goes through everybody's memory: an entry that does not say whose it is could come before the wrong eyes.
    if (batches.some(({ add }) => add.some(({ owner }) => owner === undefined)))
      throw new RuntimeError('invalid', 'a new entry does not say whose it is')
    for (const batch of batches) {
      announce(applyMemoryChanges(store.write, nobody, batch))
      await nextRound()
      signal.throwIfAborted()
    }
    setIdentity(store.write, 'memory_consolidated', JSON.stringify({ ...report, at } satisfies SavedReport))
    bus.publish('memory_consolidated', report)
    log.info({ ...report }, 'the memory was tidied up')
    return report
  })
}
