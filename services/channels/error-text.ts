import { reasonOf } from '#sdk/errors.ts'
import { redactText } from '#sdk/redact.ts'

/** In characters, as the contract has it. */
const maxTextLength = 1_024
/** An error's cause, and the cause of that. */
const maxCauses = 3
const secretName = /token|secret|password/
/** Shorter values are found within ordinary words. */
const minSecretLength = 4

/** Says what went wrong in one line that may be shown and logged. */
export type ErrorText = (thrown: unknown) => string

/** Knows the settings' own secrets beside those that look like one: what a library says may hold the address it asked. */
export function errorTextFor(settings: object): ErrorText {
  const secrets = secretsOf(settings)
  return (thrown) => {
    let text = redactText(reasons(thrown))
    for (const secret of secrets) text = text.replaceAll(secret, '***')
    return text.slice(0, maxTextLength).toWellFormed()
  }
}

/** `fetch failed` alone helps nobody: why it failed stands in the cause. */
function reasons(thrown: unknown): string {
  const told: string[] = []
  for (let error = thrown; error !== undefined && told.length < maxCauses; ) {
    told.push(reasonOf(error))
    error = error instanceof Error ? error.cause : undefined
  }
  return told.join(': ')
}

function secretsOf(settings: object): string[] {
  return Object.entries(settings).flatMap(([name, value]) => {
    if (typeof value !== 'string' || !secretName.test(name) || value.length < minSecretLength) return []
    return [...new Set([value, encodeURIComponent(value)])]
  })
}
