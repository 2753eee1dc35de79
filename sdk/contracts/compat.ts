import { z } from 'zod'
import { get, post } from '../route.ts'
import { anthropicEvent, anthropicMessage, anthropicModels, anthropicRequest } from './anthropic.ts'
import { chatChunk, chatCompletion, chatRequest } from './openai-chat.ts'
import { responsesAnswer, responsesEvent, responsesRequest } from './openai-responses.ts'
import { clampedInteger, filter } from './query.ts'
import { modelName, opaqueWord } from './text-field.ts'
import { count } from './values.ts'

/** Pictures travel inside the JSON. */
const maxBodyBytes = 20 * 1024 * 1024
const maxEmbeddingInputs = 2048

export const openaiModel = z.object({
  id: z.string(),
  object: z.literal('model'),
  /** Unix seconds. */
  created: z.int(),
  /** The provider. */
  owned_by: z.string(),
})

const embeddingInput = z.string().min(1, 'must not be empty')

export const embeddingsRequest = z.object({
  model: modelName,
  input: z.union(
    [
      embeddingInput,
      z
        .array(embeddingInput)
        .min(1, 'must not be empty')
        .max(maxEmbeddingInputs, `must not hold more than ${maxEmbeddingInputs} texts`),
    ],
    { error: 'must be a text or a list of texts; tokens are not supported' },
  ),
  encoding_format: z.enum(['float', 'base64'], 'must be float or base64').nullish(),
  dimensions: z.int('must be a positive integer').min(1, 'must be a positive integer').nullish(),
  user: opaqueWord.nullish(),
})

export const embeddings = z.object({
  object: z.literal('list'),
  data: z.array(
    z.object({
      object: z.literal('embedding'),
      index: count,
      /** Numbers, or little-endian 32-bit floats in base64. */
      embedding: z.union([z.array(z.number()), z.string()]),
    }),
  ),
  model: z.string(),
  usage: z.object({ prompt_tokens: count, total_tokens: count }),
})

export const compatRoutes = {
  createChatCompletion: post('/v1/chat/completions', {
    summary: 'OpenAI-compatible chat completions proxy',
    kind: 'stream',
    errors: 'openai',
    maxBodyBytes,
    body: chatRequest,
    response: chatCompletion,
    event: chatChunk,
  }),
  createResponse: post('/v1/responses', {
    summary: 'OpenAI-compatible responses',
    kind: 'stream',
    errors: 'openai',
    maxBodyBytes,
    body: responsesRequest,
    response: responsesAnswer,
    event: responsesEvent,
  }),
  createEmbeddings: post('/v1/embeddings', {
    summary: 'OpenAI-compatible embeddings',
    errors: 'openai',
    maxBodyBytes,
    body: embeddingsRequest,
    response: embeddings,
  }),
  listOpenaiModels: get('/v1/models', {
    summary: 'OpenAI-compatible model list',
    errors: 'openai',
    response: z.object({ object: z.literal('list'), data: z.array(openaiModel) }),
  }),
  /** The slash of `provider/model` is written `%2F`. */
  getOpenaiModel: get('/v1/models/:id', {
    summary: 'OpenAI-compatible model detail',
    errors: 'openai',
    response: openaiModel,
  }),
  listAnthropicModels: get('/anthropic/v1/models', {
    summary: 'Anthropic-compatible model list',
    errors: 'anthropic',
    query: z.object({ limit: clampedInteger(20, 1, 1000), before_id: filter, after_id: filter }),
    response: anthropicModels,
  }),
  createAnthropicMessage: post('/anthropic/v1/messages', {
    summary: 'Anthropic-compatible messages',
    kind: 'stream',
    errors: 'anthropic',
    maxBodyBytes,
    body: anthropicRequest,
    response: anthropicMessage,
    event: anthropicEvent,
  }),
}
