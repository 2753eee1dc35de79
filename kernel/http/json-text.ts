import { RuntimeError } from '#sdk/errors.ts'

/** How deep a body may nest. */
export const maxJsonDepth = 64

const quote = 0x22
const backslash = 0x5c
const poisonousKeys = ['__proto__', 'constructor', 'prototype'] as const
/** An escape may spell a poisonous key as well. */
const poisonHints = [...poisonousKeys, '\\u'] as const

/** Parses a body: bounded in depth before it is parsed, and without keys that reach prototypes. */
export function parseJsonText(text: string): unknown {
  if (text.length > maxJsonDepth) refuseDepth(text)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new RuntimeError('invalid', 'body: is not valid JSON', undefined, { cause })
  }
  if (poisonHints.some((hint) => text.includes(hint))) dropPoisonousKeys(value)
  return value
}

/** One pass over the text that jumps from quote to quote through strings, so that long ones cost next to nothing. */
function refuseDepth(text: string): void {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === quote) {
      i = endOfString(text, i)
    } else if (code === 0x7b || code === 0x5b) {
      depth += 1
      if (depth > maxJsonDepth) throw new RuntimeError('invalid', `body: is nested deeper than ${maxJsonDepth} levels`)
    } else if (code === 0x7d || code === 0x5d) {
      depth -= 1
    }
  }
}

/** The index of the quote that ends the string that begins at `start`; the text's length when none does. */
function endOfString(text: string, start: number): number {
  let end = start
  for (;;) {
    end = text.indexOf('"', end + 1)
    if (end < 0) return text.length
    let slashes = 0
    while (text.charCodeAt(end - 1 - slashes) === backslash) slashes += 1
    if (slashes % 2 === 0) return end
  }
}

/** Safe to recurse: the depth is bounded. */
function dropPoisonousKeys(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value))
    for (const key of poisonousKeys) if (Object.hasOwn(value, key)) Reflect.deleteProperty(value, key)
  for (const inner of Object.values(value)) dropPoisonousKeys(inner)
}
