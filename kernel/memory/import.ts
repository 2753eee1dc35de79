import { setImmediate as nextRound } from 'node:timers/promises'
import type { MemoryChange } from '#kernel/store/memories.ts'
import { importMemory, type MemoryLine } from '#kernel/store/memory-transfer.ts'
import type { Store } from '#kernel/store/store.ts'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import { memoryBounds } from '#sdk/services/memory.ts'
import { memoryTiers } from '#sdk/services/memory-entry.ts'
import type { Announce } from './announce.ts'
import type { MemoryWork } from './memory-work.ts'

/** Lines taken up in one transaction: the event loop waits for it. */
const batchSize = 100

export interface ImportDeps {
  store: Store
  work: MemoryWork
  announce: Announce
}

/** Takes up lines as they are, but for those that are there already. A line that can not be is named, and is the last that was tried. */
export function importLines(
  lines: readonly MemoryLine[],
  { store, work, announce }: ImportDeps,
): Promise<{ imported: number; skipped: number }> {
  return work.run(async (signal) => {
    await requireRoom(lines, store)
    const made: MemoryChange[] = []
    try {
      for (let from = 0; from < lines.length; from += batchSize) {
        signal.throwIfAborted()
        made.push(...importBatch(lines.slice(from, from + batchSize), from, store))
        await nextRound()
      }
    } finally {
      announce(made)
    }
    return { imported: made.length, skipped: lines.length - made.length }
  })
}

function importBatch(lines: readonly MemoryLine[], from: number, { write }: Store): MemoryChange[] {
  return write.transaction(() =>
    lines.flatMap((line, at) => {
      try {
        return importMemory(write, line) ?? []
      } catch (thrown) {
        if (!isErrorOf(thrown, 'invalid')) throw thrown
        throw new RuntimeError('invalid', `lines[${from + at}]: ${thrown.message}`)
      }
    }),
  )()
}

/** Tiers are bounded as a whole here; how many a session may hold, the next turn of it sees to. */
async function requireRoom(lines: readonly MemoryLine[], { pool }: Store): Promise<void> {
  const counts = await pool.run('countMemories', null)
  for (const tier of memoryTiers) {
    if (tier === 'working') continue
    const more = lines.filter((line) => line.tier === tier && line.state === 'active').length
    const bound = memoryBounds.entries[tier]
    if (more > 0 && counts[tier].active + more > bound)
      throw new RuntimeError('too_large', `lines: the ${tier} memory holds ${bound} entries at the most`)
  }
}
