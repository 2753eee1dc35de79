import { z } from 'zod'

export const textPart = z.object({ type: z.literal('text'), text: z.string() })
/** `url` is https, or a `data:` URL with base64 content. */
export const imagePart = z.object({
  type: z.literal('image'),
  url: z.string(),
  detail: z.enum(['auto', 'low', 'high']).optional(),
})
export const messagePart = z.discriminatedUnion('type', [textPart, imagePart])
export type MessagePart = z.infer<typeof messagePart>

/** `arguments` is the JSON text the model wrote, parsed by whoever runs the tool. */
export const toolCall = z.object({ id: z.string(), name: z.string(), arguments: z.string() })
export type ToolCall = z.infer<typeof toolCall>

/** One message of a conversation with a model, the same for every provider. */
export const modelMessage = z.object({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.union([z.string(), z.array(messagePart)]),
  name: z.string().optional(),
  tool_calls: z.array(toolCall).optional(),
  /** On `tool` messages: the call that this answers. */
  tool_call_id: z.string().optional(),
})
export type ModelMessage = z.infer<typeof modelMessage>

/** `parameters` is a JSON Schema. */
export const toolDefinition = z.object({
  name: z.string(),
  description: z.string(),
  parameters: z.record(z.string(), z.unknown()),
})
export type ToolDefinition = z.infer<typeof toolDefinition>

export const toolChoice = z.union([z.enum(['auto', 'none', 'required']), z.object({ name: z.string() })])

export const finishReason = z.enum(['stop', 'length', 'tool_calls', 'content_filter'])
export type FinishReason = z.infer<typeof finishReason>

export const tokenUsage = z.object({
  tokens_in: z.number().int(),
  tokens_out: z.number().int(),
  /** The provider sent no figures; these are counted from the text. */
  estimated: z.boolean(),
})
export type TokenUsage = z.infer<typeof tokenUsage>

/** The text of a message, its pictures left out. */
export function textOf(content: ModelMessage['content']): string {
  if (typeof content === 'string') return content
  return content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n')
}

/** The estimate used wherever a provider does not count: four bytes to a token. */
export function estimateTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 4)
}
