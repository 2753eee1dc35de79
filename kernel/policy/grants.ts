import type { Authority } from '#sdk/services/agent.ts'
import { apiGrant, type Grant, lowerAuthority } from './authority.ts'

/** A sender as the channel's own messages name it: what a channel lets its users change is no identity. */
export interface Sender {
  platform: string
  sender_id: string
  chat_id: string
  /** Discord's server. */
  guild_id?: string | undefined
}

/** How a message came in. `none`: nobody vouches for it. */
export type Entry =
  | { via: 'api' }
  /** `paired`: what the code that the sender has shown gives. */
  | { via: 'channel'; sender: Sender; paired?: Authority | undefined }
  | { via: 'peer' }
  | { via: 'cron' }
  | { via: 'none' }

/** The parts of the configuration that say who is trusted. */
export interface TrustSettings {
  security: { api_authority: Authority; allowlist_authority: Authority; trusted_authority: Authority }
  channels: {
    trusted_sender_ids: readonly string[]
    telegram: { allowed_chat_ids: readonly number[] }
    whatsapp: { allowed_numbers: readonly string[] }
    discord: { allowed_guild_ids: readonly string[] }
    slack: { allowed_channel_ids: readonly string[] }
    matrix: { allowed_room_ids: readonly string[] }
    signal: { allowed_numbers: readonly string[] }
    email: { allowed_senders: readonly string[] }
  }
}

interface Platform {
  /** One way to write each id of this platform, or null for what is none, such as a name that anyone may take. */
  canonical: (id: string) => string | null
  /** What its allow list lists. */
  listed: (sender: Sender) => string | undefined
  allowList: (channels: TrustSettings['channels']) => readonly (string | number)[]
  /** What it lists is no chat, so that nothing can be sent there. */
  listsServers?: true
}

const platforms = new Map<string, Platform>([
  ['telegram', { canonical: numericId, listed: (s) => s.chat_id, allowList: (c) => c.telegram.allowed_chat_ids }],
  ['whatsapp', { canonical: phoneNumber, listed: (s) => s.sender_id, allowList: (c) => c.whatsapp.allowed_numbers }],
  ['signal', { canonical: phoneNumber, listed: (s) => s.sender_id, allowList: (c) => c.signal.allowed_numbers }],
  [
    'discord',
    {
      canonical: numericId,
      listed: (s) => s.guild_id,
      allowList: (c) => c.discord.allowed_guild_ids,
      listsServers: true,
    },
  ],
  ['slack', { canonical: slackId, listed: (s) => s.chat_id, allowList: (c) => c.slack.allowed_channel_ids }],
  ['matrix', { canonical: matrixId, listed: (s) => s.chat_id, allowList: (c) => c.matrix.allowed_room_ids }],
  ['email', { canonical: address, listed: (s) => s.sender_id, allowList: (c) => c.email.allowed_senders }],
])

/** What the way in is worth, before the ceilings; nothing for a stranger. */
export function grantsOf(entry: Entry, settings: TrustSettings): Grant[] {
  switch (entry.via) {
    case 'api':
      return [apiGrant(settings.security)]
    case 'channel':
      return [...senderGrants(entry.sender, settings), ...pairedGrants(entry.paired, settings)]
    case 'peer':
      return [{ source: 'peer', level: 'Peer' }]
    case 'cron':
      return [{ source: 'cron', level: 'SelfGenerated' }]
    case 'none':
      return []
  }
}

function senderGrants(sender: Sender, { security, channels }: TrustSettings): Grant[] {
  const platform = platforms.get(sender.platform)
  if (!platform) return []
  const { canonical, listed, allowList } = platform
  const isIn = (id: string | undefined, list: readonly (string | number)[]) => {
    const wanted = id === undefined ? null : canonical(id)
    return wanted !== null && list.some((entry) => canonical(String(entry)) === wanted)
  }
  const trusted = entriesFor(sender.platform, channels.trusted_sender_ids)
  const grants: Grant[] = []
  if (isIn(listed(sender), allowList(channels)))
    grants.push({ source: 'allow_list', level: security.allowlist_authority })
  if (isIn(sender.sender_id, trusted) || isIn(sender.chat_id, trusted))
    grants.push({ source: 'trusted_sender', level: security.trusted_authority })
  return grants
}

/** A code gives no more than the operator's own list of trusted senders. */
function pairedGrants(paired: Authority | undefined, { security }: TrustSettings): Grant[] {
  return paired === undefined ? [] : [{ source: 'paired', level: lowerAuthority(paired, security.trusted_authority) }]
}

/** The chats of a platform's allow list, each id in its one form; none where the list lists something else. */
export function listedChats(platform: string, channels: TrustSettings['channels']): string[] {
  const known = platforms.get(platform)
  if (!known || known.listsServers) return []
  return canonicalIds(known, known.allowList(channels))
}

/** The trusted senders whose ids are ones of this platform, each in its one form. */
export function trustedSenders(platform: string, { trusted_sender_ids }: TrustSettings['channels']): string[] {
  const known = platforms.get(platform)
  return known ? canonicalIds(known, entriesFor(platform, trusted_sender_ids)) : []
}

function canonicalIds({ canonical }: Platform, ids: readonly (string | number)[]): string[] {
  const all = ids.map((id) => canonical(String(id))).filter((id) => id !== null)
  return [...new Set(all)]
}

/** Those that name this platform, as `telegram:123`, without its name, and those that name none. */
function entriesFor(platform: string, entries: readonly string[]): string[] {
  return entries.flatMap((entry) => {
    const [name = '', ...rest] = entry.split(':')
    if (rest.length === 0 || !platforms.has(name)) return [entry]
    return name === platform ? [rest.join(':')] : []
  })
}

function numericId(id: string): string | null {
  return /^-?\d{1,32}$/.test(id.trim()) ? id.trim() : null
}

/** Digits alone: the plus, spaces and dashes are ways of writing. */
function phoneNumber(id: string): string | null {
  const digits = id.replace(/[\s()+-]/g, '')
  return /^\d{5,15}$/.test(digits) ? digits : null
}

/** A user, channel or team; names are none. */
function slackId(id: string): string | null {
  return /^[A-Z][A-Z0-9]{5,31}$/.test(id.trim()) ? id.trim() : null
}

/** A room or a user; aliases, which may come to mean another room, are none. */
function matrixId(id: string): string | null {
  return /^[!@][^\s:]{1,200}(?::[^\s]{1,255})?$/.test(id.trim()) ? id.trim() : null
}

function address(id: string): string | null {
  const lowered = id.trim().toLowerCase()
  return /^[^\s@]+@[^\s@]+$/.test(lowered) ? lowered : null
}
