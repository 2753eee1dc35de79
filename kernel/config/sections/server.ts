import { isIP } from 'node:net'
import { z } from 'zod'
import { choice, flag, integer, optionalText, requiredText, section, tableList, text, textList } from '../fields.ts'

const address = z
  .string('expected an IP address or "localhost"')
  .refine((value) => value === 'localhost' || isIP(value) !== 0, 'expected an IP address or "localhost"')

function isNetwork(value: string): boolean {
  const [ip, prefix, ...rest] = value.split('/')
  const family = isIP(ip ?? '')
  if (family === 0 || rest.length > 0 || prefix === undefined || !/^\d{1,3}$/.test(prefix)) return false
  return Number(prefix) <= (family === 4 ? 32 : 128)
}

const network = z
  .string('expected a network such as "10.0.0.0/8"')
  .refine(isNetwork, 'expected a network such as "10.0.0.0/8"')

/** A whole browser origin: scheme, host and port, nothing after. */
const origin = z
  .string('expected an origin such as "https://keel.example.org"')
  .refine(
    (value) => URL.canParse(value) && new URL(value).origin === value && /^https?:/.test(value),
    'expected an origin such as "https://keel.example.org"',
  )

export const server = section({
  bind: address.default('127.0.0.1'),
  port: integer(18_789, 0, 65_535),
  /** Absent: the key that was made at the first start. */
  api_key: optionalText(),
  log_dir: requiredText('logs'),
  log_max_days: integer(7, 1, 3_650),
  rate_limit_requests: integer(600, 1),
  rate_limit_window_secs: integer(60, 1, 86_400),
  per_ip_rate_limit_requests: integer(6_000, 1),
  per_actor_rate_limit_requests: integer(6_000, 1),
  trusted_proxy_cidrs: z.array(network, 'expected a list of networks').max(100).default([]),
  cron_max_concurrency: integer(8, 1, 16),
})

export const database = section({ path: requiredText('keel.db') })

export const cors = section({
  allowed_origins: z.array(origin, 'expected a list of origins').max(100).default([]),
  max_age_seconds: integer(3_600, 0, 86_400),
})

/** Hosts that outgoing requests may reach although their address is private. */
export const egress = section({ allowed_hosts: textList() })

export const daemon = section({ auto_restart: flag(false), pid_file: requiredText('run/keel.pid') })

export const update = section({
  check_on_start: flag(false),
  channel: choice(['stable', 'beta', 'dev'], 'stable'),
  /** Where a catalog of skills is: an http(s) address of its manifest, or a folder of this machine. */
  registry_url: text(''),
  /** More of them; the higher priority wins where two have a skill of one name. */
  registries: tableList(
    z.looseObject({
      name: z.string(),
      url: z.string(),
      priority: z.number().int().min(0).max(100).default(50),
      enabled: z.boolean().default(true),
    }),
  ),
  /** Ed25519 public keys, base64: with any, a catalog counts only if one of them has signed it. */
  registry_keys: textList(),
})
