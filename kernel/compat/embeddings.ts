import type { z } from 'zod'
import { payerOf } from '#kernel/budgets/payer.ts'
import type { Config } from '#kernel/config/schema.ts'
import type { Context } from '#kernel/context.ts'
import type { HandlerRequest } from '#kernel/http/handler.ts'
import type { embeddings, embeddingsRequest } from '#sdk/contracts/compat.ts'
import { doorError } from './door-error.ts'
import { fullName, resolveModelName, routedModel, unknownModel } from './model-target.ts'

/** Vectors of one or more texts, in their order, in OpenAI's shape. */
export async function embed(
  { model, input, encoding_format, dimensions }: z.output<typeof embeddingsRequest>,
  { caller, signal }: Pick<HandlerRequest, 'caller' | 'signal'>,
  { inference, config }: Pick<Context, 'inference' | 'config'>,
): Promise<z.input<typeof embeddings>> {
  const question = {
    model: embeddingModel(config.current(), model),
    input: typeof input === 'string' ? [input] : input,
    dimensions: dimensions ?? undefined,
    account: payerOf(caller),
  }
  try {
    const made = await inference.embed(question, { signal })
    const encode = encoding_format === 'base64' ? littleEndianFloats : (vector: number[]) => vector
    return {
      object: 'list',
      data: made.vectors.map((vector, index) => ({ object: 'embedding', index, embedding: encode(vector) })),
      model: made.model,
      usage: { prompt_tokens: made.usage.tokens_in, total_tokens: made.usage.tokens_in },
    }
  } catch (thrown) {
    throw doorError(thrown)
  }
}

/** `auto` and `default` are the model that memory uses, else the first that a provider names. */
function embeddingModel(config: Config, name: string): string {
  const { embedding_provider, embedding_model } = config.memory
  const own = Object.entries(config.providers).flatMap(([provider, { embedding_model: model }]) =>
    model === null ? [] : [fullName(provider, model)],
  )
  const known = embedding_provider && embedding_model ? [fullName(embedding_provider, embedding_model), ...own] : own
  if (name !== routedModel && name !== 'default') return resolveModelName(config, name, [...new Set(known)])
  const [first] = known
  if (first === undefined) throw unknownModel('No model for embeddings is configured')
  return first
}

function littleEndianFloats(vector: readonly number[]): string {
  const bytes = Buffer.allocUnsafe(vector.length * Float32Array.BYTES_PER_ELEMENT)
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * Float32Array.BYTES_PER_ELEMENT)
  return bytes.toString('base64')
}
