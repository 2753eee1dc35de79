import { normalizeText } from '#sdk/normalize-text.ts'

export interface ThreatScan {
  /** 0 to 1. */
  score: number
  families: string[]
  verdict: 'clean' | 'caution' | 'blocked'
  /** The text with override phrases taken out, for the model's copy; the text itself when it is clean. */
  sanitized: string
}

interface Family {
  name: string
  /** What each matching pattern adds to the score. */
  weight: number
  patterns: readonly RegExp[]
}

const cautionFrom = 0.3
const blockedAbove = 0.7
/** More patterns than this together add `manyBonus`. */
const manyPatterns = 2
const manyBonus = 0.15
export const redaction = '[REDACTED]'

/** `[^\S\n]` keeps a phrase on its line, and bounded gaps keep every pattern linear. */
const overridePatterns: readonly RegExp[] = [
  /\bignore[^\S\n]+(?:all[^\S\n]+)?(?:of[^\S\n]+)?(?:the[^\S\n]+|your[^\S\n]+|my[^\S\n]+)?(?:previous|prior|above|earlier|preceding)[^\S\n]+(?:instructions?|prompts?|rules?|messages?|directions?)/i,
  /\byou[^\S\n]+are[^\S\n]+now[^\S\n]+(?:an?|in)[^\S\n]/i,
  /\bdisregard[^\S\n]+(?:all[^\S\n]+)?(?:of[^\S\n]+)?(?:your|the|all|any|previous|prior)[^\S\n]+(?:\w+[^\S\n]+)?(?:instructions?|prompts?|rules?|guidelines?)/i,
  // A role marker, not any word before a colon: at the start of a line, or bracketed.
  /(?:^|\n)[^\S\n]*(?:\[|<\|?|#{1,3}[^\S\n]*)?system(?:\]|\|?>)?[^\S\n]*:/i,
  /\bnew[^\S\n]+instructions?[^\S\n]*:/i,
  /\boverride[^\S\n]+(?:all[^\S\n]+|the[^\S\n]+|your[^\S\n]+)?(?:safety|security|rules?|polic(?:y|ies)|restrictions?)/i,
]

const families: readonly Family[] = [
  { name: 'instruction_override', weight: 0.35, patterns: overridePatterns },
  {
    name: 'encoding',
    weight: 0.2,
    patterns: [
      /\bbase64[^\S\n]*(?:-|_)?[^\S\n]*decod/i,
      /\bdecod\w{0,4}[^\S\n]+(?:this[^\S\n]+|the[^\S\n]+|from[^\S\n]+)?base64/i,
      /\\x[0-9a-f]{2}(?:\\x[0-9a-f]{2})/i,
      /&#x?[0-9a-f]{2,6};/i,
      /%[0-9a-f]{2}%[0-9a-f]{2}/i,
    ],
  },
  {
    name: 'authority',
    weight: 0.3,
    patterns: [
      /\bI[^\S\n]+am[^\S\n]+(?:the[^\S\n]+|your[^\S\n]+|an?[^\S\n]+)?(?:admin(?:istrator)?|root|owner|creator|developer)\b/i,
      /\bas[^\S\n]+(?:an?[^\S\n]+|the[^\S\n]+)?(?:admin(?:istrator)?|system)\b(?!\s+(?:admin|architect|call|service|prompt|file|design|engineer))/i,
      /\bwith[^\S\n]+(?:admin(?:istrator)?|root|system)[^\S\n]+(?:privileges?|access|rights|permissions?)/i,
    ],
  },
  {
    name: 'financial',
    weight: 0.4,
    patterns: [
      /\btransfer[^\S\n]+(?:all|my|the|your)(?:[^\S\n]+\w+){0,3}[^\S\n]+(?:funds?|money|tokens?|coins?|balance|eth|usdc|btc)\b/i,
      /\bsend[^\S\n]+(?:all[^\S\n]+|the[^\S\n]+|your[^\S\n]+)?(?:funds?|tokens?|eth|usdc|btc|crypto)[^\S\n]+to\b/i,
      /\bdrain[^\S\n]+(?:the[^\S\n]+|my[^\S\n]+|your[^\S\n]+)?(?:wallet|account|treasury|funds)/i,
    ],
  },
]

/** How much a text looks like an attack on the instructions, by families of phrases over its normalised form. */
export function scanInput(text: string): ThreatScan {
  const seen = normalizeText(text)
  const hits = families.map(({ name, weight, patterns }) => ({
    name,
    weight,
    count: patterns.filter((pattern) => pattern.test(seen)).length,
  }))
  const matched = hits.reduce((total, { count }) => total + count, 0)
  const sum = hits.reduce((total, { weight, count }) => total + weight * count, 0)
  const score = Math.min(1, Math.round((sum + (matched > manyPatterns ? manyBonus : 0)) * 100) / 100)
  const verdict = score > blockedAbove ? 'blocked' : score >= cautionFrom ? 'caution' : 'clean'
  return {
    score,
    families: hits.filter(({ count }) => count > 0).map(({ name }) => name),
    verdict,
    sanitized: verdict === 'clean' ? text : withoutOverrides(seen),
  }
}

function withoutOverrides(text: string): string {
  return overridePatterns.reduce(
    (rest, pattern) => rest.replace(new RegExp(pattern.source, `${pattern.flags}g`), redaction),
    text,
  )
}
