import { z } from 'zod'
import { modelName } from './text-field.ts'
import { count, jsonObject, time } from './values.ts'

const maxMessages = 4096
const maxTools = 128
const maxStops = 16

const block = z.looseObject({ type: z.string('is required') })
const text = z.union([z.string(), z.array(block).min(1, 'must not be empty')], {
  error: ({ input }) => (input === undefined ? 'is required' : 'must be a text or a list of content blocks'),
})

/** Anthropic's Messages API. Keys that are not listed are ignored. */
export const anthropicRequest = z.object({
  model: modelName,
  max_tokens: z.int('must be a positive integer').min(1, 'must be a positive integer'),
  messages: z
    .array(z.object({ role: z.enum(['user', 'assistant'], 'must be user or assistant'), content: text }))
    .min(1, 'must not be empty')
    .max(maxMessages, `must not hold more than ${maxMessages} messages`),
  system: text.nullish(),
  stream: z.boolean().nullish(),
  stop_sequences: z.array(z.string().min(1, 'must not be empty')).max(maxStops).nullish(),
  temperature: z.number().min(0, 'must be between 0 and 1').max(1, 'must be between 0 and 1').nullish(),
  top_p: z.number().min(0, 'must be between 0 and 1').max(1, 'must be between 0 and 1').nullish(),
  top_k: z.int().min(0).nullish(),
  tools: z
    .array(z.looseObject({ name: z.string(), description: z.string().nullish(), input_schema: jsonObject }))
    .max(maxTools)
    .nullish(),
  tool_choice: z.looseObject({ type: z.enum(['auto', 'any', 'tool', 'none']), name: z.string().optional() }).nullish(),
  metadata: jsonObject.nullish(),
})
export type AnthropicRequest = z.infer<typeof anthropicRequest>

export const anthropicMessage = z.object({
  id: z.string(),
  type: z.literal('message'),
  role: z.literal('assistant'),
  model: z.string(),
  content: z.array(block),
  stop_reason: z.enum(['end_turn', 'max_tokens', 'stop_sequence', 'tool_use', 'refusal']).nullable(),
  stop_sequence: z.string().nullable(),
  usage: z.looseObject({ input_tokens: count, output_tokens: count }),
})

export const anthropicEvent = z.looseObject({ type: z.string() })

export const anthropicModels = z.object({
  data: z.array(z.object({ type: z.literal('model'), id: z.string(), display_name: z.string(), created_at: time })),
  has_more: z.boolean(),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
})
