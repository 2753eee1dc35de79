import { redactText } from '#sdk/redact.ts'

/** Also what sets text the other way round, or hides it. */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu
const look: Record<string, string> = { '<': '‹', '>': '›', '[': '(', ']': ')', '`': "'" }
const twoSlashes = /\/(?=\/)/g
/** What makes a line something else than a paragraph. */
const lead = /^(?:(?:[#>*+=|~-]+|\d+[.)])\s+)+/
const host =
  /(?<=[a-z0-9-])\.(?=(?:biz|com|edu|gov|net|org|pro|web|xxx|aero|asia|coop|info|museum|name|shop|[a-z]{2}\/)(?![a-z0-9-]))/gi

/**
 * What a model wrote, as one line of text that is no more than text wherever it is shown: no link, picture, HTML or code,
 * no secret. Cut at `maxChars`.
 */
export function defused(text: string, maxChars: number): string {
  const line = redactText(text).replace(unseen, ' ').replaceAll(/\s+/g, ' ').trim().replace(lead, '')
  const plain = line
    .replace(/[<>[\]`]/g, (sign) => look[sign] ?? '')
    .replace(twoSlashes, '/ ')
    .replace(/\bwww\./gi, 'www(.)')
    .replace(host, '(.)')
    .replace(/(?<=\w)@(?=\w)/g, ' at ')
  return plain.length <= maxChars ? plain : `${plain.slice(0, maxChars - 1).trimEnd()}…`
}
