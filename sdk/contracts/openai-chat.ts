import { z } from 'zod'
import { modelName, opaqueWord } from './text-field.ts'
import { count } from './values.ts'

/*
 * Chat completions as OpenAI's clients send and read them. Keys that are not listed are ignored; null means absent.
 */

const maxMessages = 4096
const maxParts = 1024
const maxTools = 128
const maxStops = 16

function oneOf(...values: string[]): string {
  return `must be one of ${values.join(', ')}`
}

const name = opaqueWord.nullish()

const textPart = z.object({ type: z.literal('text', "must be 'text'"), text: z.string('must be a string') })
const refusalPart = z.object({ type: z.literal('refusal'), refusal: z.string() })
const imagePart = z.object({
  type: z.literal('image_url'),
  image_url: z.object({
    url: z.string().regex(/^(https:|data:image\/)/, 'must be an https: URL or a data:image/… URL'),
    detail: z.enum(['auto', 'low', 'high'], oneOf('auto', 'low', 'high')).nullish(),
  }),
})

const textOrImage = z.discriminatedUnion('type', [textPart, imagePart], "must be 'text' or 'image_url'")
const textOrRefusal = z.discriminatedUnion('type', [textPart, refusalPart], "must be 'text' or 'refusal'")

function contentOf<P extends z.ZodType>(part: P) {
  const parts = z.array(part).min(1, 'must not be empty').max(maxParts, `must not hold more than ${maxParts} parts`)
  return z.union([z.string(), parts], {
    error: ({ input }) => {
      if (input === undefined || input === null) return 'is required'
      if (!Array.isArray(input)) return 'must be a text or a list of parts'
      const issue = parts.safeParse(input).error?.issues[0]
      return issue && `has a part that is not right: ${issue.path.join('.')} ${issue.message}`
    },
  })
}

export const chatToolCall = z.object({
  id: z.string(),
  type: z.literal('function'),
  /** `arguments` is JSON text. */
  function: z.object({ name: z.string(), arguments: z.string() }),
})

const system = { content: contentOf(textPart), name }

export const chatMessage = z.discriminatedUnion(
  'role',
  [
    z.object({ role: z.literal('system'), ...system }),
    z.object({ role: z.literal('developer'), ...system }),
    z.object({ role: z.literal('user'), content: contentOf(textOrImage), name }),
    z.object({
      role: z.literal('assistant'),
      content: contentOf(textOrRefusal).nullish(),
      refusal: z.string().nullish(),
      name,
      tool_calls: z.array(chatToolCall).max(maxTools).nullish(),
    }),
    z.object({ role: z.literal('tool'), content: contentOf(textPart), tool_call_id: z.string('is required') }),
  ],
  oneOf('system', 'developer', 'user', 'assistant', 'tool'),
)
export type ChatMessage = z.infer<typeof chatMessage>

const functionName = z
  .string('is required')
  .regex(/^[a-zA-Z0-9_.-]{1,64}$/, 'must be 1 to 64 letters, digits, underscores, dots or hyphens')

export const chatTool = z.object({
  type: z.literal('function', "must be 'function'"),
  function: z.object({
    name: functionName,
    description: z.string().nullish(),
    /** A JSON Schema. */
    parameters: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
  }),
})

export const chatToolChoice = z.union(
  [
    z.enum(['none', 'auto', 'required']),
    z.object({ type: z.literal('function'), function: z.object({ name: functionName }) }),
  ],
  { error: "must be 'none', 'auto', 'required' or {type: 'function', function: {name}}" },
)

const responseFormat = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('text') }),
    z.object({ type: z.literal('json_object') }),
    z.object({
      type: z.literal('json_schema'),
      json_schema: z.object({
        name: z.string(),
        description: z.string().nullish(),
        schema: z.record(z.string(), z.unknown()).nullish(),
        strict: z.boolean().nullish(),
      }),
    }),
  ],
  oneOf('text', 'json_object', 'json_schema'),
)

const maxTokens = z.int('must be a positive integer').min(1, 'must be a positive integer').nullish()
const penalty = z.number().min(-2, 'must be between -2 and 2').max(2, 'must be between -2 and 2').nullish()
const stop = z.string().min(1, 'must not be empty')

export const chatRequest = z.object({
  model: modelName,
  messages: z
    .array(chatMessage, { error: ({ input }) => (input === undefined ? 'is required' : 'must be an array') })
    .min(1, 'must not be empty')
    .max(maxMessages, `must not hold more than ${maxMessages} messages`),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  temperature: z.number().min(0, 'must be between 0 and 2').max(2, 'must be between 0 and 2').nullish(),
  top_p: z.number().min(0, 'must be between 0 and 1').max(1, 'must be between 0 and 1').nullish(),
  max_tokens: maxTokens,
  /** Wins over `max_tokens`. */
  max_completion_tokens: maxTokens,
  stop: z
    .union([stop, z.array(stop).max(maxStops, `must not hold more than ${maxStops} texts`)], {
      error: 'must be a text or a list of texts',
    })
    .nullish(),
  n: z.literal(1, 'must be 1: only one choice is supported').nullish(),
  tools: z.array(chatTool).max(maxTools, `must not hold more than ${maxTools} tools`).nullish(),
  tool_choice: chatToolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  response_format: responseFormat.nullish(),
  seed: z.int().nullish(),
  presence_penalty: penalty,
  frequency_penalty: penalty,
  /** Names the session in agent mode. */
  user: opaqueWord.nullish(),
})
export type ChatRequest = z.infer<typeof chatRequest>

export const chatFinishReason = z.enum(['stop', 'length', 'tool_calls', 'content_filter'])

export const chatUsage = z.object({ prompt_tokens: count, completion_tokens: count, total_tokens: count })

export const chatCompletion = z.object({
  id: z.string(),
  object: z.literal('chat.completion'),
  /** Unix seconds. */
  created: z.int(),
  /** What really answered, `provider/model`. */
  model: z.string(),
  choices: z.array(
    z.object({
      index: count,
      message: z.object({
        role: z.literal('assistant'),
        content: z.string().nullable(),
        refusal: z.string().nullable(),
        tool_calls: z.array(chatToolCall).optional(),
      }),
      finish_reason: chatFinishReason,
      logprobs: z.null(),
    }),
  ),
  usage: chatUsage,
  system_fingerprint: z.null(),
})
export type ChatCompletion = z.infer<typeof chatCompletion>

export const chatChunk = z.object({
  id: z.string(),
  object: z.literal('chat.completion.chunk'),
  created: z.int(),
  model: z.string(),
  /** Empty in the chunk that carries the usage. */
  choices: z.array(
    z.object({
      index: count,
      delta: z.object({
        role: z.literal('assistant').optional(),
        content: z.string().nullish(),
        tool_calls: z
          .array(
            z.object({
              index: count,
              id: z.string().optional(),
              type: z.literal('function').optional(),
              function: z.object({ name: z.string().optional(), arguments: z.string().optional() }).optional(),
            }),
          )
          .optional(),
      }),
      finish_reason: chatFinishReason.nullable(),
      logprobs: z.null().optional(),
    }),
  ),
  usage: chatUsage.nullish(),
  system_fingerprint: z.null().optional(),
})
export type ChatChunk = z.infer<typeof chatChunk>

/** What goes wrong, in a body or after the first byte of a stream. */
export const openaiError = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
})
