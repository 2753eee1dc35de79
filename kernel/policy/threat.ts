import { normalizeText } from '#sdk/normalize-text.ts'
import { overridePatterns, threatFamilies } from './threat-patterns.ts'

export interface ThreatScan {
  /** 0 to 1. */
  score: number
  /** Names of the families of which a pattern matched. */
  families: string[]
  verdict: 'clean' | 'caution' | 'blocked'
  /** The text with override phrases taken out, for the model's copy; the text itself when it is clean. */
  sanitized: string
}

const cautionFrom = 0.3
const blockedAbove = 0.7
/** More patterns than this together add `manyBonus`. */
const manyPatterns = 2
const manyBonus = 0.15
export const redaction = '[REDACTED]'
/** Views of one text, one after another, until none shows an override. */
const maxRounds = 4

const everyOverride = overridePatterns.map((pattern) => new RegExp(pattern, `${pattern.flags}g`))

/** How much a text looks like an attack on the instructions. Its time grows with the text; callers bound its size. */
export function scanInput(text: string): ThreatScan {
  const views = viewsOf(text)
  const hits = threatFamilies.map(({ name, weight, cap, patterns }) => {
    const count = patterns.filter((pattern) => matches(pattern, views)).length
    return { name, count, points: Math.min(weight * count, cap) }
  })
  const count = hits.reduce((total, hit) => total + hit.count, 0)
  const points = hits.reduce((total, hit) => total + hit.points, count > manyPatterns ? manyBonus : 0)
  // To the hundredth, since a sum of tenths may end just below its threshold.
  const score = Math.min(1, Math.round(points * 100) / 100)
  const verdict = score > blockedAbove ? 'blocked' : score >= cautionFrom ? 'caution' : 'clean'
  return {
    score,
    families: hits.filter((hit) => hit.count > 0).map(({ name }) => name),
    verdict,
    sanitized: verdict === 'clean' ? text : withoutOverrides(text),
  }
}

/** As a reader sees it; and, where something in it is invisible, as a model reads it, which sees that too. */
function viewsOf(text: string): string[] {
  const seen = normalizeText(text)
  const revealed = normalizeText(revealHidden(text))
  return revealed === seen ? [seen] : [seen, revealed]
}

/** Tag characters repeat ASCII invisibly and are made plain; the other invisible ones only part words, and go. */
function revealHidden(text: string): string {
  return text
    .replace(/[\u{E0020}-\u{E007E}]+/gu, (tags) => ` ${[...tags].map(plainOfTag).join('')} `)
    .replace(/\p{Default_Ignorable_Code_Point}/gu, '')
}

function plainOfTag(tag: string): string {
  return String.fromCodePoint((tag.codePointAt(0) ?? 0) - 0xe0000)
}

function matches(pattern: RegExp, views: readonly string[]): boolean {
  return views.some((view) => pattern.test(view))
}

/** The text as it was written where that is enough: folding look-alikes would spoil the words of other scripts. */
function withoutOverrides(text: string): string {
  let copy = redacted(text)
  for (let round = 0; round < maxRounds; round++) {
    const telling = viewsOf(copy).find((view) => overridePatterns.some((pattern) => pattern.test(view)))
    if (telling === undefined) return copy
    copy = redacted(telling)
  }
  return redaction
}

function redacted(text: string): string {
  return everyOverride.reduce((rest, pattern) => rest.replace(pattern, redaction), text)
}
