import type { Logger } from 'pino'
import type { ServiceSetup } from '#sdk/rpc/run-service.ts'
import type { Client } from '#sdk/service.ts'
import type { kernelForMemory } from '#sdk/services/kernel.ts'
import type { memoryService } from '#sdk/services/memory.ts'
import { consolidate } from './consolidate.ts'
import { ingestExchange } from './ingest.ts'
import { noteChanges } from './note.ts'
import { openReading } from './reading.ts'
import { recall } from './recall.ts'
import { search } from './search.ts'
import { Vectors } from './vectors.ts'

/** Builds the service from the settings that the kernel holds. */
export async function createMemory(
  kernel: Client<typeof kernelForMemory>,
  log: Logger,
): Promise<ServiceSetup<typeof memoryService>> {
  let settings = await kernel.start({})
  const db = openReading(settings.database)
  const vectors = await Vectors.open({ db, kernel, log, settings })
  return {
    handlers: {
      async configure(changed) {
        settings = changed
        await vectors.configure(changed)
        return null
      },
      ingest: (turn, { signal }) => ingestExchange(turn, { db, kernel, settings, log, signal }),
      note: (note) => noteChanges(note, { db }),
      search: (query, { signal }) => search(query, { db, vectors, settings, signal }),
      recall: (request, { signal }) => recall(request, { db, vectors, settings, signal }),
      consolidate: ({ now }, { signal, emit }) => consolidate(now, { db, settings, signal, emit }),
      status: () => ({ embedding: vectors.status() }),
      changed(changes) {
        vectors.follow(changes)
        return null
      },
    },
    async close() {
      await vectors.close()
      db.close()
    },
  }
}
