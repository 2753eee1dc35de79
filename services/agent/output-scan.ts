import { normalizeText } from '#sdk/normalize-text.ts'

/** What must never leave: instructions to a model, relayed in an answer or in what a tool brought. */
const relayedInstructions: readonly RegExp[] = [
  /\bignore\s+(?:all\s+)?(?:of\s+)?(?:the\s+|your\s+)?(?:previous|prior|above|earlier)\s+(?:instructions?|prompts?|rules?)/i,
  /\byou\s+are\s+now\s+(?:an?\s+)?(?:unrestricted|unfiltered|jailbroken|uncensored|free\s+from|in\s+(?:DAN|developer|admin|god)\s+mode)/i,
  /(?:^|\n)\s*(?:\[|<)?system(?:\]|>)?\s*:\s*(?:you\s+(?:must|are|will)|ignore|disregard|execute|send|reveal|forget)/i,
  /\bnew\s+instructions?\s*:\s*\S/i,
  /\boverride\s+(?:all\s+|the\s+|your\s+)?safety\b/i,
  /\bdisregard\s+(?:all\s+|your\s+|the\s+|any\s+)?(?:previous\s+|prior\s+)?instructions?\b/i,
]

/** Longer than any phrase above can be when its words stand one space apart, in characters. */
export const scanWindow = 320

const namedEntities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' }

export function isUnsafe(text: string): boolean {
  const seen = normalizeText(decoded(text))
  return relayedInstructions.some((pattern) => pattern.test(seen))
}

/** Entities and percent codes as the characters that they stand for. */
function decoded(text: string): string {
  return text
    .replace(/&#(x[0-9a-f]{1,6}|\d{1,7});/gi, (whole, code: string) => {
      const point = code[0] === 'x' || code[0] === 'X' ? Number.parseInt(code.slice(1), 16) : Number(code)
      return point <= 0x10ffff ? String.fromCodePoint(point) : whole
    })
    .replace(/&([a-z]{2,5});/gi, (whole, name: string) => namedEntities[name.toLowerCase()] ?? whole)
    .replace(/%[0-9a-f]{2}/gi, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)))
}

/** How phrases above begin; also what an encoded or disguised one begins with. */
const openings = ['ignore', 'you', 'system', 'new', 'override', 'disregard', '[', '<']
const disguise =
  /&(?:#x?[0-9a-f]*|[a-z]{0,6})(?:;|$)|%(?:[0-9a-f]{2}|[0-9a-f]?$)|\u200B|\u200C|\u200D|\u2060|\uFEFF|[a-z][\u0400-\u04FF]|[\u0400-\u04FF][a-z]/

/**
 * How much of the end of a text must wait for more before it may be shown: from the last word on that may begin one of
 * the phrases, within the window.
 */
export function heldBack(text: string): number {
  const windowStart = Math.max(0, text.length - scanWindow)
  const tail = text.slice(windowStart).toLowerCase()
  const disguised = tail.search(disguise)
  if (disguised >= 0) return tail.length - disguised
  let from = tail.length
  for (const { index } of tail.matchAll(/(?:^|(?<=[^a-z]))[a-z[<]/g)) {
    const rest = tail.slice(index)
    if (openings.some((opening) => rest.startsWith(opening) || opening.startsWith(rest))) {
      from = index
      break
    }
  }
  return tail.length - from
}
