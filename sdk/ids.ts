import { randomUUID } from 'node:crypto'

/** A fresh UUID v4. Ids that come in are opaque strings and never become paths. */
export function newId(): string {
  return randomUUID()
}

/** Now, as ISO-8601 UTC with milliseconds, the one form in which Keel writes times. */
export function timestamp(at: Date | number = Date.now()): string {
  return new Date(at).toISOString()
}
