import { z } from 'zod'
import type { MessagePart, ModelMessage } from '#sdk/messages.ts'
import { plainText } from './plain-text.ts'

/** What a conversation of Anthropic's clients may hold, and may be handed on to any model. */
const text = z.object({ type: z.literal('text'), text: z.string() })

const image = z.object({
  type: z.literal('image'),
  source: z.discriminatedUnion(
    'type',
    [
      z.object({
        type: z.literal('base64'),
        media_type: z.enum(['image/jpeg', 'image/png', 'image/gif', 'image/webp']),
        data: z.base64('must be base64'),
      }),
      z.object({ type: z.literal('url'), url: z.string().regex(/^https:/, 'must be an https: URL') }),
    ],
    "must be of type 'base64' or 'url'",
  ),
})

const toolUse = z.object({
  type: z.literal('tool_use'),
  id: z.string(),
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
})

const toolResult = z.object({
  type: z.literal('tool_result'),
  tool_use_id: z.string(),
  content: blocksOf([text, image], 'text, image').optional(),
  is_error: z.boolean().optional(),
})

/** What a model thought is its own, signed for itself: another one can not read it, and none needs it to go on. */
const thought = z.object({ type: z.enum(['thinking', 'redacted_thinking']) })

export const systemContent = blocksOf([text], 'text')

export const conversation = z.array(
  z.discriminatedUnion('role', [
    z.object({
      role: z.literal('user'),
      content: blocksOf([text, image, toolResult], 'text, image, tool_result'),
    }),
    z.object({
      role: z.literal('assistant'),
      content: blocksOf([text, toolUse, thought], 'text, tool_use, thinking, redacted_thinking'),
    }),
  ]),
)
export type ConversationMessage = z.output<typeof conversation>[number]

/** A list of blocks; a text stands for the one block that holds it. */
function blocksOf<const B extends Parameters<typeof z.discriminatedUnion>[1]>(kinds: B, types: string) {
  const block = z.discriminatedUnion('type', kinds, `must be one of ${types}`)
  return z.preprocess(
    (content: unknown) => (typeof content === 'string' ? [{ type: 'text', text: content }] : content),
    z.array(block, 'must be a text or a list of content blocks'),
  )
}

/** One message of theirs as messages of ours: results of tools come first, each as one of its own. */
export function neutralMessages(message: ConversationMessage): ModelMessage[] {
  if (message.role === 'assistant') {
    const said = message.content.flatMap((block) => (block.type === 'text' ? [block.text] : []))
    const tool_calls = message.content.flatMap((block) =>
      block.type === 'tool_use' ? [{ id: block.id, name: block.name, arguments: JSON.stringify(block.input) }] : [],
    )
    return [{ role: 'assistant', content: said.join(''), ...(tool_calls.length > 0 ? { tool_calls } : {}) }]
  }
  const messages: ModelMessage[] = []
  const parts: MessagePart[] = []
  for (const block of message.content) {
    if (block.type !== 'tool_result') parts.push(partOf(block))
    else messages.push({ role: 'tool', tool_call_id: block.tool_use_id, content: resultContent(block) })
  }
  if (parts.length > 0) messages.push({ role: 'user', content: plainText(parts) })
  return messages
}

function resultContent({ content = [], is_error }: z.output<typeof toolResult>): ModelMessage['content'] {
  const parts = content.map(partOf)
  return plainText(is_error ? [{ type: 'text', text: 'The tool failed:' }, ...parts] : parts)
}

function partOf(block: z.output<typeof text> | z.output<typeof image>): MessagePart {
  if (block.type === 'text') return block
  const { source } = block
  const url = source.type === 'url' ? source.url : `data:${source.media_type};base64,${source.data}`
  return { type: 'image', url }
}
