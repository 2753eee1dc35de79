import { scanInput } from '#kernel/policy/threat.ts'
import { untrusted } from '#sdk/boundaries.ts'
import { cutOutput } from '#sdk/cut-output.ts'
import { redactText } from '#sdk/redact.ts'

/** No more of a text than this is looked at, in characters. */
const maxReadChars = 64 * 1024

/**
 * What others wrote, as data for a model that is to judge it: without secrets, cut at `maxBytes`, phrases that would give
 * it orders taken out, between marks that the text can not forge. `place` names the question and nothing else does.
 */
export function quoted(source: string, text: string, maxBytes: number, place: string): string {
  return untrusted(source, harmless(text, maxBytes), place)
}

/** The same without the marks, for a word in a line of ours. */
export function harmless(text: string, maxBytes: number): string {
  const whole = redactText(text.slice(0, maxReadChars))
  return scanInput(cutOutput(whole, maxBytes)).sanitized
}
