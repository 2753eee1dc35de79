/** What a secret looks like in free text: provider keys, tokens of well-known services, bot tokens, private keys. */
const secretShapes: [RegExp, string][] = [
  [/\bsk-[A-Za-z0-9_-]{8,}/g, 'sk-***'],
  [/\b(gh[pousr]_|github_pat_)[A-Za-z0-9_]{16,}/g, '$1***'],
  [/\bxox[abprs]-[A-Za-z0-9-]{8,}/g, 'xox-***'],
  [/\bAKIA[A-Z0-9]{16}\b/g, 'AKIA***'],
  [/\bAIza[A-Za-z0-9_-]{30,}/g, 'AIza***'],
  [/\b\d{6,12}:[A-Za-z0-9_-]{30,}/g, '***:***'],
  [/\bwst_[0-9a-f]{16,}/g, 'wst_***'],
  [/\bkeel_[A-Za-z0-9_-]{16,}/g, 'keel_***'],
  [/\b([Bb]earer)\s+[A-Za-z0-9._~+/=-]{8,}/g, '$1 ***'],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, '***private key***'],
]

/** The text with everything that looks like a secret replaced; used by logs, events, audit rows and snapshots. */
export function redactText(text: string): string {
  let redacted = text
  for (const [shape, replacement] of secretShapes) redacted = redacted.replace(shape, replacement)
  return redacted
}
