import ipaddr from 'ipaddr.js'

/** The block that holds every address of the public internet's IPv6. */
const globalIpv6 = ipaddr.IPv6.parseCIDR('2000::/3')
/** Answers a cloud's virtual machines about themselves, though it looks public. */
const publicLookingMetadata = new Set(['168.63.129.16'])

/**
 * Whether an IP address belongs to the public internet. Loopback, private, link-local, shared, multicast and reserved
 * ones do not; nor do IPv6 forms that carry an IPv4 address (mapped, compatible, 6to4, Teredo, NAT64), nor what is no
 * address at all.
 */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false
  const address = ipaddr.parse(text)
  if (address.range() !== 'unicast' || publicLookingMetadata.has(address.toString())) return false
  return address.kind() === 'ipv4' || address.match(globalIpv6)
}

/** Whether two texts are the same IP address, however each is written; an IPv4 address mapped into IPv6 is itself. */
export function isSameAddress(left: string, right: string): boolean {
  if (!ipaddr.isValid(left) || !ipaddr.isValid(right)) return false
  return ipaddr.process(left).toNormalizedString() === ipaddr.process(right).toNormalizedString()
}

/** A URL's host without the brackets of an IPv6 address. */
export function bareHost({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}

/** Whether the operator has named this URL's host, as `name` or `name:port`. */
export function isAllowedHost(url: URL, allowedHosts: readonly string[]): boolean {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  const names = [url.hostname, bareHost(url), `${url.hostname}:${port}`]
  return allowedHosts.some((allowed) => names.includes(allowed.trim().toLowerCase()))
}
