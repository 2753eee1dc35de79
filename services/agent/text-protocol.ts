import { z } from 'zod'
import type { ToolCall } from '#sdk/messages.ts'

const params = z.record(z.string(), z.unknown()).default({})

/** How a model without native calls asks for a tool: `{"tool_call":{"name":…,"params":{…}}}`, or with the name alone. */
const written = z.union([
  z.object({ tool_call: z.object({ name: z.string(), params }) }).transform(({ tool_call }) => tool_call),
  z.object({ tool_call: z.string(), params }).transform(({ tool_call, params }) => ({ name: tool_call, params })),
])

/** Where an object may begin: on a line of its own, or right behind another. */
const begin = /(^|\n)[^\S\n]*(?=\{\s*"tool_call")/g
const beginNext = /[\s,;]*(?=\{\s*"tool_call")/y
const lineStart = /(?:^|\n)[^\S\n]*(?=\{)/g
const emptyFence = /```[a-z]*\s*```/gi
const maxWrittenCalls = 8
const opening = '{"tool_call"'
/** With white space within it. */
const maxOpeningLength = 64

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
    let start: number | undefined = match.index + match[0].length
    if (start < from) continue
    let gap = match.index
    while (start !== undefined && calls.length < maxWrittenCalls) {
      const end = objectEnd(text, start)
      const call = end === undefined ? undefined : parseCall(text.slice(start, end))
      if (end === undefined || !call || !offered.has(call.name)) break
      calls.push({ id: `${idPrefix}-${calls.length}`, name: call.name, arguments: JSON.stringify(call.params) })
      rest += text.slice(from, gap)
      from = end
      gap = end
      beginNext.lastIndex = end
      start = beginNext.test(text) ? beginNext.lastIndex : undefined
    }
  }
  const said = rest + text.slice(from)
  return { calls, text: (calls.length > 0 ? said.replace(emptyFence, '') : said).trim() }
}

/**
 * Where the end of a text that is still growing begins, or may begin, a call: `certain` once no more of it can tell
 * otherwise. `atLineStart`: the text's own beginning is one of a line.
 */
export function beginsCall(text: string, atLineStart: boolean): { at: number; certain: boolean } | undefined {
  for (const { index } of text.matchAll(lineStart)) {
    if (index === 0 && !atLineStart && text[0] !== '\n') continue
    const bare = text.slice(index, index + maxOpeningLength).replaceAll(/\s/g, '')
    if (bare.startsWith(opening)) return { at: index, certain: true }
    if (opening.startsWith(bare) && text.length - index < maxOpeningLength) return { at: index, certain: false }
  }
  return undefined
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
