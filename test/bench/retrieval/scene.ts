import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { saveEmbeddings } from '#kernel/store/embeddings.ts'
import { insertMemory } from '#kernel/store/memories.ts'
import { openStore, type Store } from '#kernel/store/store.ts'
import type { EmbeddingStatus, NewMemory } from '#sdk/services/memory.ts'
import { openReading, type Reading } from '../../../services/memory/reading.ts'
import { Vectors } from '../../../services/memory/vectors.ts'
import { newMemory } from '../../support/new-memory.ts'
import type { Conversation } from './conversation.ts'

/** A memory that is filled by the kernel's store and read by the memory service's own code. */
export interface MemoryScene {
  store: Store
  db: Reading
  vectors: Vectors
  database: string
  /** Settles once each entry has its vector in the index. */
  embedded: () => Promise<void>
  dispose: () => Promise<void>
}

export const agentId = 'bench'

/** Opens an empty memory, or one that `fill` has filled before the vectors are looked at. */
export async function memoryScene(fill: (store: Store) => void = () => {}): Promise<MemoryScene> {
  const folder = mkdtempSync(join(tmpdir(), 'keel-bench-'))
  const database = join(folder, 'keel.db')
  const store = openStore(database, {
    onFault: (thrown) => {
      throw thrown
    },
  })
  fill(store)
  const db = openReading(database)
  let isDone: ((status: EmbeddingStatus) => void) | undefined
  const vectors = await Vectors.open({
    db,
    log: pino({ level: 'warn' }),
    settings: { database, embedding_model: null },
    kernel: {
      embed: () => Promise.reject(new Error('no provider')),
      async saveEmbeddings({ model, dimensions, rows }) {
        const stored = rows.map(({ vector, ...row }) => ({ ...row, embedding: Buffer.from(vector, 'base64') }))
        return { saved: saveEmbeddings(store.write, { model, dimensions, rows: stored }) }
      },
      async reportEmbedding(status) {
        isDone?.(status as EmbeddingStatus)
        return null
      },
    },
  })
  return {
    store,
    db,
    vectors,
    database,
    embedded: () =>
      new Promise((resolve) => {
        isDone = ({ done, total }) => done > 0 && done >= total && resolve()
        isDone(vectors.status())
      }),
    async dispose() {
      await vectors.close()
      db.close()
      store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Each line as an event of its own, as one says it who was there. */
export function rememberConversation(store: Store, conversation: Conversation): void {
  const remember = (db: Store['write']) => {
    for (const line of conversation.lines) {
      const { id: scope_key } = conversation
      const origin = {
        agent_id: agentId,
        scope_key,
        session_id: `${scope_key}/${line.session}`,
        turn_id: null,
        at: line.at,
      }
      insertMemory(db, origin, event(`${scope_key}/${line.id}`, line.speaker, line.text))
    }
  }
  store.write.transaction(remember)(store.write)
}

export function event(id: string, name: string | null, content: string): NewMemory {
  return newMemory({ id, category: 'remark', name, content })
}
