import { z } from 'zod'
import type { MessagePart, ModelMessage } from '#sdk/messages.ts'
import { plainText } from './plain-text.ts'

/** What a conversation of the Responses API may hold, and may be handed on to any model. */
const text = z.object({ type: z.enum(['input_text', 'output_text']), text: z.string() })
const refusal = z.object({ type: z.literal('refusal'), refusal: z.string() })
const image = z.object({
  type: z.literal('input_image'),
  image_url: z.string('is required').regex(/^(https:|data:image\/)/, 'must be an https: URL or a data:image/… URL'),
  detail: z.string().nullish(),
})

const content = z.preprocess(
  (given: unknown) => (typeof given === 'string' ? [{ type: 'input_text', text: given }] : given),
  z.array(
    z.discriminatedUnion(
      'type',
      [text, refusal, image],
      'must be one of input_text, output_text, refusal, input_image',
    ),
    'must be a text or a list of parts',
  ),
)

const message = z.object({
  type: z.literal('message'),
  role: z.enum(['user', 'assistant', 'system', 'developer'], 'must be one of user, assistant, system, developer'),
  content,
})
const functionCall = z.object({
  type: z.literal('function_call'),
  call_id: z.string(),
  name: z.string(),
  arguments: z.string(),
})
const functionOutput = z.object({ type: z.literal('function_call_output'), call_id: z.string(), output: content })
/** A model's reasoning is its own, and sealed; no other needs it to go on. */
const reasoning = z.object({ type: z.literal('reasoning') })

const item = z.discriminatedUnion(
  'type',
  [message, functionCall, functionOutput, reasoning],
  'must be one of message, function_call, function_call_output, reasoning',
)

/** A text is one message of the user; an item without a type is a message. */
export const responseInput = z.preprocess(
  (input: unknown) => (typeof input === 'string' ? [{ role: 'user', content: input }] : input),
  z.array(z.preprocess((given) => (isUntyped(given) ? { ...given, type: 'message' } : given), item)),
)

function isUntyped(given: unknown): given is object {
  return typeof given === 'object' && given !== null && !('type' in given)
}

/** The items as messages: calls join the assistant's message that they follow. */
export function itemMessages(items: z.output<typeof responseInput>): ModelMessage[] {
  const messages: ModelMessage[] = []
  for (const one of items) {
    const last = messages.at(-1)
    if (one.type === 'message') {
      const role = one.role === 'developer' ? 'system' : one.role
      messages.push({ role, content: plainText(one.content.map(partOf)) })
    } else if (one.type === 'function_call') {
      const call = { id: one.call_id, name: one.name, arguments: one.arguments }
      if (last?.role === 'assistant') last.tool_calls = [...(last.tool_calls ?? []), call]
      else messages.push({ role: 'assistant', content: '', tool_calls: [call] })
    } else if (one.type === 'function_call_output') {
      messages.push({ role: 'tool', tool_call_id: one.call_id, content: plainText(one.output.map(partOf)) })
    }
  }
  return messages
}

function partOf(part: z.output<typeof content>[number]): MessagePart {
  switch (part.type) {
    case 'input_image':
      return { type: 'image', url: part.image_url, detail: detailOf(part.detail) }
    case 'refusal':
      return { type: 'text', text: part.refusal }
    default:
      return { type: 'text', text: part.text }
  }
}

/** Finer details than these are of one provider's models alone. */
function detailOf(detail: string | null | undefined): 'auto' | 'low' | 'high' | undefined {
  return detail === 'low' || detail === 'high' || detail === 'auto' ? detail : undefined
}
