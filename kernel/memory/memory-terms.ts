import { type EmbeddingRow, saveEmbeddings } from '#kernel/store/embeddings.ts'
import type { Store } from '#kernel/store/store.ts'
import { accountOfTurn } from '#kernel/turns/turn-account.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { newId } from '#sdk/ids.ts'
import type { Client, ServiceHandlers } from '#sdk/service.ts'
import type { inferenceService } from '#sdk/services/inference.ts'
import type { kernelForMemory } from '#sdk/services/kernel.ts'
import type { MemorySettings } from '#sdk/services/memory.ts'
import type { EmbeddingProgress } from './embedding-progress.ts'

/** The longest answer to a question about a turn, in tokens. */
const maxAnswerTokens = 1_000

/** What the memory service may ask of the kernel. */
export function memoryTerms({
  store,
  settings,
  inference,
  progress,
}: {
  store: Pick<Store, 'read' | 'write'>
  settings: () => MemorySettings
  inference: () => Pick<Client<typeof inferenceService>, 'embed' | 'complete'>
  progress: EmbeddingProgress
}): ServiceHandlers<typeof kernelForMemory> {
  return {
    start: () => settings(),

    async embed({ model, texts }, { signal }) {
      const { vectors } = await inference().embed({ model, input: texts }, { signal })
      return { vectors }
    },

    async ask({ turn_id, system, text }, { signal }) {
      const question = {
        request_id: newId(),
        model: 'auto',
        purpose: 'memory' as const,
        turn_id,
        ...(turn_id !== null && { account: accountOfTurn(store.read, turn_id) }),
        max_tokens: maxAnswerTokens,
        temperature: 0,
        messages: [
          { role: 'system' as const, content: system },
          { role: 'user' as const, content: text },
        ],
      }
      return { text: (await inference().complete(question, { signal })).text }
    },

    saveEmbeddings({ model, dimensions, rows }) {
      const read = rows.map(({ seq, updated_at, vector }, at): EmbeddingRow => {
        const embedding = Buffer.from(vector, 'base64')
        if (embedding.byteLength !== dimensions * Float32Array.BYTES_PER_ELEMENT)
          throw new RuntimeError('invalid', `rows[${at}].vector is not one of ${dimensions} dimensions`)
        return { seq, updated_at, embedding }
      })
      return { saved: saveEmbeddings(store.write, { model, dimensions, rows: read }) }
    },

    reportEmbedding(status) {
      progress.report(status)
      return null
    },
  }
}
