import { scanInput } from '#kernel/policy/threat.ts'
import { untrusted } from '#sdk/boundaries.ts'
import { redactText } from '#sdk/redact.ts'

/** So much of the end of a part of a text may be the beginning of a secret that is not yet told from words, in characters. */
const doubtfulChars = 64
const cutMark = ' … (cut)'

/**
 * What others wrote, as data for a model that is to judge it: without secrets, cut at `maxChars`, phrases that would give
 * it orders taken out, between marks that the text can not forge. `place` names the question and nothing else does.
 */
export function quoted(source: string, text: string, maxChars: number, place: string): string {
  return untrusted(source, harmless(text, maxChars), place)
}

/** The same without the marks, for a word in a line of ours. */
export function harmless(text: string, maxChars: number): string {
  return scanInput(cut(text, maxChars).toWellFormed()).sanitized
}

/** Secrets are taken out before the cut, which might else leave a part of one; no more than needed is looked at. */
function cut(text: string, maxChars: number): string {
  const part = text.slice(0, 2 * maxChars)
  const clean = redactText(part)
  if (part === text && clean.length <= maxChars) return clean
  const certain = part === text ? clean : clean.slice(0, -doubtfulChars)
  return certain.slice(0, maxChars) + cutMark
}
