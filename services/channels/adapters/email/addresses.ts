import { domainToASCII } from 'node:url'
import { z } from 'zod'

/** No more than names a mailbox: nothing that a header or an SMTP command could take for its own. */
const mailbox = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?$/

/** In angle brackets, as it stands in headers. */
export const messageIdShape = z.string().regex(/^<[^<>\s\p{C}]{1,400}>$/u)

/** An address in the one form in which it is compared: in lower case, its domain in ASCII; null where it is none. */
export function canonicalAddress(given: string): string | null {
  const at = given.lastIndexOf('@')
  const domain = domainToASCII(given.slice(at + 1))
  const address = `${given.slice(0, Math.max(0, at))}@${domain}`.toLowerCase()
  return at > 0 && mailbox.test(address) ? address : null
}

export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1)
}
