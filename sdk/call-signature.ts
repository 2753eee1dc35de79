import type { ToolCall } from './messages.ts'

/** The same for calls of one tool with the same input, however it is spaced and ordered. */
export function callSignature({ name, arguments: text }: Pick<ToolCall, 'name' | 'arguments'>): string {
  try {
    return `${name} ${JSON.stringify(JSON.parse(text), (_, value: unknown) => ordered(value))}`
  } catch {
    return `${name} ${text}`
  }
}

function ordered(value: unknown): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)))
    : value
}
