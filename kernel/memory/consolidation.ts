import type { Logger } from 'pino'
import { z } from 'zod'
import type { EventBus } from '#kernel/events/bus.ts'
import type { ReadableDb, WritableDb } from '#kernel/store/database.ts'
import { findIdentity, setIdentity } from '#kernel/store/identity.ts'
import { applyMemoryChanges, insertMemory, type MemoryChange } from '#kernel/store/memories.ts'
import type { Store } from '#kernel/store/store.ts'
import { timestamp } from '#sdk/ids.ts'
import type { Client } from '#sdk/service.ts'
import {
  type ConsolidatedChanges,
  type ConsolidationReport,
  consolidationReport,
  type memoryService,
} from '#sdk/services/memory.ts'
import type { Announce } from './announce.ts'
import type { MemoryWork } from './memory-work.ts'

const everyMs = 86_400_000

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

/** Nothing is kept before the service has said all of it: killed half-way, the memory is as it was. */
export function consolidate(deps: ConsolidationDeps): Promise<ConsolidationReport> {
  const { store, bus, log, work, service, announce } = deps
  return work.runBehind(async (signal) => {
    const at = timestamp()
    const { changes, report } = await service().consolidate({ now: at }, { signal })
    signal.throwIfAborted()
    const made = store.write.transaction(() => {
      setIdentity(store.write, 'memory_consolidated', JSON.stringify({ ...report, at } satisfies SavedReport))
      return apply(store.write, changes)
    })()
    announce(made)
    bus.publish('memory_consolidated', report)
    log.info({ ...report }, 'the memory was tidied up')
    return report
  })
}

function apply(db: WritableDb, { add, ...others }: ConsolidatedChanges): MemoryChange[] {
  const nobody = { agent_id: '', scope_key: '', session_id: null, turn_id: null }
  // What gives way goes first: a value may take its place only once it is free.
  const changed = applyMemoryChanges(db, nobody, { ...others, add: [] })
  const added = add.map(({ agent_id, scope_key, ...memory }) =>
    insertMemory(db, { ...nobody, agent_id, scope_key }, memory),
  )
  return [...changed, ...added]
}
