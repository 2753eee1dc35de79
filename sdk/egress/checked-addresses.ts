import type { LookupAddress } from 'node:dns'
import { lookup as systemLookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { isErrorOf, RuntimeError } from '../errors.ts'
import { bareHost, isAllowedHost, isPublicAddress } from './address-rules.ts'

/** All addresses of a name. */
export type Lookup = (hostname: string) => Promise<LookupAddress[]>

export interface AddressCheck {
  /** Hosts (`name` or `name:port`) that may be private. */
  allowedHosts: readonly string[]
  lookup?: Lookup | undefined
  signal: AbortSignal
}

/**
 * The addresses of a URL's host that may be connected to: those that were checked, not what the name says a moment
 * later. `forbidden`: one of them is not public; `upstream_failed`: there are none.
 */
export async function checkedAddresses(
  url: URL,
  { allowedHosts, lookup = lookupAll, signal }: AddressCheck,
): Promise<LookupAddress[]> {
  const host = bareHost(url)
  const family = isIP(host)
  // What is an address already is connected to as it stands, so nobody is asked what it means.
  const found = family === 0 ? lookup(host) : Promise.resolve([{ address: host, family }])
  const addresses = await Promise.race([found, aborted(signal)]).catch((cause) => {
    if (signal.aborted || isErrorOf(cause, 'cancelled')) throw cause
    throw new RuntimeError('upstream_failed', `The host '${host}' could not be found`, undefined, { cause })
  })
  if (addresses.length === 0) throw new RuntimeError('upstream_failed', `The host '${host}' has no address`)
  if (!isAllowedHost(url, allowedHosts) && !addresses.every(({ address }) => isPublicAddress(address))) {
    throw new RuntimeError('forbidden', `The host '${host}' is not on the public internet`)
  }
  return addresses
}

/** The same host under a second name would pass lists that name the first. */
export function refuseTrailingDot({ hostname }: URL): void {
  if (hostname.endsWith('.')) throw new RuntimeError('forbidden', `The host '${hostname}' ends in a dot`)
}

function lookupAll(hostname: string): Promise<LookupAddress[]> {
  return systemLookup(hostname, { all: true })
}

function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  if (signal.aborted) reject(signal.reason)
  else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  return promise
}
