import type { CallContext } from '#sdk/service.ts'
import {
  type ConsolidationReport,
  type MemoryChanges,
  type MemorySettings,
  memoryBounds,
  type memoryService,
} from '#sdk/services/memory.ts'
import { Consolidation } from './consolidation/consolidation.ts'
import { mergeDuplicates } from './consolidation/duplicates.ts'
import { leaveEndedSessions } from './consolidation/ended-sessions.ts'
import { letGo } from './consolidation/fading.ts'
import { keepWithinBounds } from './consolidation/overfull.ts'
import { promoteRepeated } from './consolidation/repeated.ts'
import type { Reading } from './reading.ts'

export interface ConsolidateDeps
  extends Pick<CallContext<typeof memoryService.methods.consolidate>, 'signal' | 'emit'> {
  db: Reading
  settings: Pick<MemorySettings, 'half_life_days' | 'learning'>
  bounds?: Record<keyof typeof memoryBounds.entries, number>
}

const steps = [
  ['sessions', leaveEndedSessions],
  ['duplicates', mergeDuplicates],
  ['repeated', promoteRepeated],
  ['faded', letGo],
  ['bounds', keepWithinBounds],
] as const

/**
 * Puts the memory in order. Each step sees what the ones before it have decided, so that a second run right after the
 * first finds nothing to do, unless the first came to the bound of what one run may change.
 */
export async function consolidate(
  now: string,
  { db, settings, signal, emit, bounds = memoryBounds.entries }: ConsolidateDeps,
): Promise<{ batches: MemoryChanges[]; report: ConsolidationReport }> {
  const startedAt = performance.now()
  const consolidation = new Consolidation({ db, now, settings, bounds, signal, emit })
  for (const [name, take] of steps) await take(consolidation.step(name))
  const took_ms = Math.round(performance.now() - startedAt)
  return { batches: consolidation.batches, report: { ...consolidation.counts, took_ms } }
}
