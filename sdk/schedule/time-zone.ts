import { RuntimeError } from '../errors.ts'

const maxZoneLength = 64
const offsetShape = /^(?:UTC)?([+-]\d{2}:\d{2})$/i

/**
 * An IANA name in its usual case, or an offset such as `+05:30`; `Z` is UTC, and `UTC+05:30` its offset. `invalid`
 * names `field`.
 */
export function readTimeZone(given: string, field: string): string {
  const name = given.trim()
  const zone = /^z$/i.test(name) ? 'UTC' : (offsetShape.exec(name)?.[1] ?? name)
  const known = zone.length <= maxZoneLength ? knownZone(zone) : undefined
  if (known === undefined) {
    throw new RuntimeError('invalid', `${field}: '${name.slice(0, maxZoneLength)}' is no time zone`)
  }
  // A name may stand for another one; its owner finds it again as it was given.
  return known.toLowerCase() === zone.toLowerCase() || offsetShape.test(known) ? known : zone
}

function knownZone(name: string): string | undefined {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone
  } catch {
    return undefined
  }
}
