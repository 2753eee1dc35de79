import { redactText } from '#sdk/redact.ts'

/** Other control characters than line breaks and tabs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const controls = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]/g
/** Marks without width that change how a text is compared or shown; joiners stay, for scripts and pictures need them. */
const invisible = /[\u00AD\u200B\u200E\u200F\u202A-\u202E\u2060-\u2064\u2066-\u2069\uFEFF]/g

/** What is said to be a secret, whatever it looks like. */
const namedSecret =
  /\b((?:(?:my|our|your|mein|unser|dein)e?[ \t]+)?(?:[\w-]{1,20}[ \t]+)?(?:pass(?:word|phrase|code)|kennwort|passwort|(?:api|secret|private|access|recovery)[ _-]?key|pin(?: code)?|cvv|token)(?:[ \t]+(?:is|was|ist|lautet)|[ \t]*[:=])[ \t]*["'`]?)([^\s"'`]{3,})/giu
const ofSomebody = /^(?:my|our|your|mein|unser|dein)/i
const accountNumber = /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b/g
const socialSecurityNumber = /\b\d{3}-\d{2}-\d{4}\b/g
const maybeCardNumber = /\b\d(?:[ -]?\d){12,18}\b/g

/** The text as it may be kept: well-formed, without control characters and direction marks, without secrets. */
export function keptText(text: string): string {
  return redactText(text.toWellFormed().replace(controls, ' ').replace(invisible, ''))
    .replace(namedSecret, (said, before: string, value: string) =>
      ofSomebody.test(before) || /[\d\W_]/.test(value) ? `${before}***` : said,
    )
    .replace(maybeCardNumber, (digits) => (isCardNumber(digits) ? '***card***' : digits))
    .replace(accountNumber, '***account***')
    .replace(socialSecurityNumber, '***ssn***')
    .trim()
}

/** By its check digit, which other long numbers seldom have right. */
function isCardNumber(text: string): boolean {
  const digits = [...text.replaceAll(/\D/g, '')].reverse().map(Number)
  const sum = digits.reduce((total, digit, at) => {
    const counted = at % 2 === 0 ? digit : digit * 2
    return total + (counted > 9 ? counted - 9 : counted)
  }, 0)
  return sum % 10 === 0
}
