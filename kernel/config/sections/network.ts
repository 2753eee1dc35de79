import { flag, integer, optionalText, requiredText, section } from '../fields.ts'

export const a2a = section({
  enabled: flag(true),
  max_message_size: integer(65_536, 1_024, 16_777_216),
  rate_limit_per_peer: integer(10, 1),
  session_timeout_seconds: integer(3_600, 1),
  require_on_chain_identity: flag(true),
  nonce_ttl_seconds: integer(7_200, 1),
})

export const devices = section({
  enabled: flag(false),
  identity_path: optionalText(),
  sync_enabled: flag(false),
  max_paired_devices: integer(5, 0, 1_000),
})

export const discovery = section({
  enabled: flag(false),
  dns_sd: flag(false),
  mdns: flag(false),
  advertise: flag(false),
  service_name: requiredText('_keel._tcp'),
})
