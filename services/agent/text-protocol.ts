import { z } from 'zod'
import type { ToolCall } from '#sdk/messages.ts'

const params = z.record(z.string(), z.unknown()).default({})

/** How a model without native calls asks for a tool: `{"tool_call":{"name":…,"params":{…}}}`, or with the name alone. */
const written = z.union([
  z.object({ tool_call: z.object({ name: z.string(), params }) }).transform(({ tool_call }) => tool_call),
  z.object({ tool_call: z.string(), params }).transform(({ tool_call, params }) => ({ name: tool_call, params })),
])

const begin = /(^|\n)[^\S\n]*(?=\{\s*"tool_call")/g
const maxCalls = 8

export interface WrittenCalls {
  calls: ToolCall[]
  /** The text without the objects. */
  text: string
}

/** Finds the calls of offered tools in a model's text. Objects that are no call stay where they are. */
export function writtenCalls(text: string, offered: ReadonlySet<string>, idPrefix: string): WrittenCalls {
  const calls: ToolCall[] = []
  let rest = ''
  let from = 0
  for (const match of text.matchAll(begin)) {
    const start = match.index + match[0].length
    if (start < from || calls.length >= maxCalls) continue
    const end = objectEnd(text, start)
    const call = end === undefined ? undefined : parseCall(text.slice(start, end))
    if (end === undefined || !call || !offered.has(call.name)) continue
    calls.push({ id: `${idPrefix}-${calls.length}`, name: call.name, arguments: JSON.stringify(call.params) })
    rest += text.slice(from, match.index)
    from = end
  }
  return { calls, text: (rest + text.slice(from)).trim() }
}

/** Whether what follows a line's beginning may still become a call. */
export function mayBecomeCall(lineStart: string): boolean {
  const bare = lineStart.trimStart().replaceAll(/\s/g, '')
  const opening = '{"tool_call"'
  return bare.startsWith(opening) || (bare !== '' && opening.startsWith(bare))
}

function parseCall(text: string): z.output<typeof written> | undefined {
  try {
    return written.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/** Where the object that begins at `start` ends, or undefined when it does not. */
function objectEnd(text: string, start: number): number | undefined {
  let depth = 0
  let inString = false
  for (let i = start; i < text.length; i++) {
    const character = text[i]
    if (inString) {
      if (character === '\\') i += 1
      else if (character === '"') inString = false
    } else if (character === '"') inString = true
    else if (character === '{') depth += 1
    else if (character === '}' && --depth === 0) return i + 1
  }
  return undefined
}
