import { z } from 'zod'
import { time } from './values.ts'

/** The runtime's own identity, as other devices know it. */
export const deviceIdentity = z.object({
  device_id: z.string(),
  public_key_hex: z.string(),
  fingerprint: z.string(),
})

export const device = z.object({
  device_id: z.string(),
  device_name: z.string(),
  state: z.enum(['pending', 'verified', 'rejected', 'expired']),
  paired_at: time.nullable(),
  last_seen: time.nullable(),
  public_key_hex: z.string(),
  fingerprint: z.string(),
  /** False for a key that is no point of a curve we know. */
  key_valid: z.boolean(),
  /** The device has proved that it holds the key. */
  cryptographic: z.boolean(),
  created_at: time,
  expires_at: time.nullable(),
})
export type Device = z.infer<typeof device>

export const discoveredAgent = z.object({
  agent_id: z.string(),
  name: z.string(),
  url: z.string(),
  capabilities: z.array(z.string()),
  verified: z.boolean(),
  discovery_method: z.enum(['DNS-SD', 'mDNS', 'manual', 'A2A']),
  last_seen: time,
  discovered_at: time,
})
export type DiscoveredAgent = z.infer<typeof discoveredAgent>
