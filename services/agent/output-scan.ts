import { normalizeText } from '#sdk/normalize-text.ts'

export const blockedAnswer = '[Response blocked by output safety filter]'
export const blockedReason = 'output safety filter triggered'

/** What must never leave: instructions to a model, relayed in an answer or in what a tool brought. */
const relayedInstructions: readonly RegExp[] = [
  /\bignore\s+(?:all\s+)?(?:of\s+)?(?:the\s+|your\s+)?(?:previous|prior|above|earlier)\s+(?:instructions?|prompts?|rules?)/i,
  /\byou\s+are\s+now\s+(?:an?\s+)?(?:unrestricted|unfiltered|jailbroken|uncensored|free\s+from|in\s+(?:DAN|developer|admin|god)\s+mode)/i,
  /(?:^|\n)[^\S\n]*(?:\[|<)?system(?:\]|>)?\s*:\s*(?:you\s+(?:must|are|will)|ignore|disregard|execute|send|reveal|forget)/i,
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

interface Word {
  forms: readonly string[]
  /** The phrase goes on without it as well. */
  optional: boolean
}

/** The phrases above, word by word and rather too many than too few: alternatives by `|`, words that may be missing by `?`. */
const phrases: readonly Word[][] = [
  'ignore all? of? the|your? previous|prior|above|earlier instruction|prompt|rule',
  'you are now a|an? unrestricted|unfiltered|jailbroken|uncensored|free|in from|dan|developer|admin|god mode',
  'system : you|ignore|disregard|execute|send|reveal|forget must|are|will',
  'new instruction|instructions :',
  'override all|the|your? safety',
  'disregard all|your|the|any? previous|prior? instruction',
].map((phrase) =>
  phrase.split(' ').map((word) => ({ forms: word.replace('?', '').split('|'), optional: word.endsWith('?') })),
)

/** An entity or a percent code whose end may be yet to come. */
const openCode = /(?:&[#a-z0-9]{0,8}|%[0-9a-f]?)$/i
const visibleUnit = /&(?:#(?:x[0-9a-f]{1,6}|\d{1,7})|[a-z]{2,5});|%[0-9a-f]{2}|./gisu

/**
 * How much of the end of a text must wait for more before it may be shown, in characters: from the first word on that
 * may begin one of the phrases, within the window.
 */
export function heldBack(text: string): number {
  const tail = text.slice(-scanWindow)
  const unfinished = tail.search(openCode)
  const end = unfinished < 0 ? tail.length : unfinished
  const { seen, origins } = asSeen(tail.slice(0, end))
  for (const { index } of seen.matchAll(/(?<![a-z])[a-z]/g)) {
    const words = seen
      .slice(index)
      .replace(/[[\]<>]/g, ' ')
      .replaceAll(':', ' : ')
      .split(/\s+/)
    if (phrases.some((phrase) => mayBegin(phrase, words))) return tail.length - (origins[index] ?? 0)
  }
  return tail.length - end
}

/** A text as the patterns see it, and where each of its characters comes from. */
function asSeen(text: string): { seen: string; origins: number[] } {
  let seen = ''
  const origins: number[] = []
  for (const { 0: unit, index } of text.matchAll(visibleUnit)) {
    const plain = (unit.length === 1 && unit < '\x7f' ? unit : normalizeText(decoded(unit))).toLowerCase()
    seen += plain
    for (let i = 0; i < plain.length; i++) origins.push(index)
  }
  return { seen, origins }
}

/** Whether words, of which the last may be unfinished, are how the phrase begins. */
function mayBegin(phrase: readonly Word[], words: readonly string[]): boolean {
  const last = words.length - 1
  let places = reachable(phrase, 0)
  for (const word of words.slice(0, last)) {
    places = places.flatMap((place) => (phrase[place]?.forms.includes(word) ? reachable(phrase, place + 1) : []))
    if (places.length === 0) return false
  }
  const unfinished = words[last] ?? ''
  return places.some((place) => phrase[place]?.forms.some((form) => form.startsWith(unfinished)) ?? unfinished === '')
}

/** The places at which the phrase may go on from here. */
function reachable(phrase: readonly Word[], place: number): number[] {
  return phrase[place]?.optional ? [place, ...reachable(phrase, place + 1)] : [place]
}
