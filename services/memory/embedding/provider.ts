import { LRUCache } from 'lru-cache'
import { RuntimeError } from '#sdk/errors.ts'
import type { Client } from '#sdk/service.ts'
import type { kernelForMemory } from '#sdk/services/kernel.ts'
import type { Embedder } from './model.ts'
import { toUnit } from './vector-bytes.ts'

/** A question waits no longer for its vector, in milliseconds: the words find it without. */
const queryMs = 1_500
/** Questions whose vectors are remembered. */
const maxRemembered = 500
const maxDimensions = 8_192

/** Vectors by a model of a provider, which the kernel asks. */
export function providerEmbedder(model: string, kernel: Pick<Client<typeof kernelForMemory>, 'embed'>): Embedder {
  const remembered = new LRUCache<string, Float32Array>({ max: maxRemembered })
  let dimensions: number | null = null

  async function ask(texts: readonly string[], signal: AbortSignal, timeoutMs?: number): Promise<Float32Array[]> {
    const { vectors } = await kernel.embed(
      { model, texts: [...texts] },
      { signal, ...(timeoutMs !== undefined && { timeoutMs }) },
    )
    if (vectors.length !== texts.length) {
      throw new RuntimeError('upstream_failed', `${model} made ${vectors.length} vectors of ${texts.length} texts`)
    }
    const made = vectors.map((vector) => requireVector(vector, model))
    const lengths = new Set(made.map(({ length }) => length))
    if (lengths.size > 1) throw new RuntimeError('upstream_failed', `${model} made vectors of different lengths`)
    dimensions = made[0]?.length ?? dimensions
    return made
  }

  return {
    model,
    get dimensions() {
      return dimensions
    },
    batch: 32,
    weight: 1,
    embed: (texts, signal) => ask(texts, signal),
    async embedQuery(text, signal) {
      const known = remembered.get(text)
      if (known) return known
      const [vector] = await ask([text], signal, queryMs)
      if (!vector) throw new RuntimeError('upstream_failed', `${model} made no vector`)
      remembered.set(text, vector)
      return vector
    },
  }
}

function requireVector(values: number[], model: string): Float32Array {
  const vector = values.length <= maxDimensions ? toUnit(values) : undefined
  if (!vector) throw new RuntimeError('upstream_failed', `${model} made something that is no vector`)
  return vector
}
