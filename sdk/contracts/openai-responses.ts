import { z } from 'zod'
import { modelName, opaqueWord } from './text-field.ts'
import { count, jsonObject } from './values.ts'

const maxItems = 4096
const maxTools = 128

const toolFunction = z.looseObject({
  type: z.literal('function', "must be 'function'"),
  name: z.string(),
  description: z.string().nullish(),
  parameters: jsonObject.nullish(),
})

export const responsesRequest = z.object({
  model: modelName,
  /** A text, or items: messages, function calls and their outputs. */
  input: z.union(
    [z.string().min(1, 'must not be empty'), z.array(jsonObject).min(1, 'must not be empty').max(maxItems)],
    {
      error: 'must be a text or a list of items',
    },
  ),
  instructions: z.string().nullish(),
  stream: z.boolean().nullish(),
  max_output_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  tools: z.array(toolFunction).max(maxTools).nullish(),
  tool_choice: z.union([z.enum(['none', 'auto', 'required']), jsonObject]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  previous_response_id: opaqueWord.nullish(),
  store: z.boolean().nullish(),
  text: jsonObject.nullish(),
  reasoning: jsonObject.nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  user: opaqueWord.nullish(),
})

export const responsesAnswer = z.looseObject({
  id: z.string(),
  object: z.literal('response'),
  /** Unix seconds. */
  created_at: z.int(),
  status: z.enum(['completed', 'failed', 'in_progress', 'incomplete']),
  model: z.string(),
  output: z.array(z.looseObject({ type: z.string() })),
  usage: z.looseObject({ input_tokens: count, output_tokens: count, total_tokens: count }).nullable(),
  error: jsonObject.nullable(),
  incomplete_details: jsonObject.nullable(),
})

export const responsesEvent = z.looseObject({ type: z.string(), sequence_number: count.optional() })
