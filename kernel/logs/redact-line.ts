import { redactText } from '#sdk/redact.ts'

/** One JSON line without anything that looks like a secret; it stays one JSON line. */
export function redactLine(line: string): string {
  const redacted = redactText(line)
  if (redacted === line || (redacted.endsWith('}\n') && isJson(redacted))) return redacted
  // A secret without an end, such as half a private key, took the rest of the line with it.
  return `${JSON.stringify(redactValues(JSON.parse(line)))}\n`
}

function redactValues(value: unknown): unknown {
  if (typeof value === 'string') return redactText(value)
  if (Array.isArray(value)) return value.map(redactValues)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, redactValues(inner)]))
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
