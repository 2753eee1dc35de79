import type { MessagePart, ModelMessage } from '#sdk/messages.ts'

/** One text needs no list around it, and some servers take none. */
export function plainText(parts: MessagePart[]): ModelMessage['content'] {
  const [only] = parts
  if (only === undefined) return ''
  return parts.length === 1 && only.type === 'text' ? only.text : parts
}
