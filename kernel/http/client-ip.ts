import type { IncomingMessage } from 'node:http'
import ipaddr from 'ipaddr.js'

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** How many hops of an X-Forwarded-For header are looked at, from the right. */
const maxHops = 16

/** One spelling for each address: an IPv4 address inside IPv6 is that IPv4 address; zones are dropped. */
export function canonicalIp(address: string | undefined): string {
  if (address === undefined) return 'unknown'
  if (!address.includes(':')) return address
  const bare = address.replace(/%.*$/, '')
  return ipaddr.isValid(bare) ? ipaddr.process(bare).toString() : 'unknown'
}

export function isLoopback(ip: string): boolean {
  return ip === '::1' || ip.startsWith('127.')
}

/**
 * Who is asking. Forwarding headers count only when the TCP peer is a trusted proxy; then it is the last hop
 * that no trusted proxy added, as everything left of it is the client's own word.
 */
export function clientIp(request: IncomingMessage, trustedProxyCidrs: readonly string[]): string {
  const peer = canonicalIp(request.socket.remoteAddress)
  if (trustedProxyCidrs.length === 0 || !isInside(peer, trustedProxyCidrs)) return peer
  const forwarded = request.headers['x-forwarded-for']
  if (typeof forwarded === 'string') {
    const hops = forwarded.split(',').slice(-maxHops).reverse()
    for (const hop of hops) {
      const ip = hop.trim()
      if (!ipaddr.isValid(ip)) return peer
      if (!isInside(canonicalIp(ip), trustedProxyCidrs)) return canonicalIp(ip)
    }
    return peer
  }
  const real = request.headers['x-real-ip']
  return typeof real === 'string' && ipaddr.isValid(real.trim()) ? canonicalIp(real.trim()) : peer
}

function isInside(ip: string, cidrs: readonly string[]): boolean {
  if (!ipaddr.isValid(ip)) return false
  const address: Address = ipaddr.process(ip)
  return cidrs.some((cidr) => {
    if (!ipaddr.isValidCIDR(cidr)) return false
    const [range, bits] = ipaddr.parseCIDR(cidr)
    return range.kind() === address.kind() && address.match(range, bits)
  })
}
