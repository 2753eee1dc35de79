import { z } from 'zod'
import { channelBounds, type InboundAttachment, type InboundMessage, type InboundPress } from '#sdk/channels/message.ts'
import { mediaKindOf } from '../../media-kind.ts'

/** Discord's ids: numbers of 64 bits, as text. */
export const snowflake = z.string().regex(/^\d{1,20}$/)

const maxNameLength = 256
const maxTokenLength = 2_048
/** Plain messages and replies; the other types are notices of Discord's own. */
const spokenTypes = new Set([0, 19])
const discordEpochMs = 1_420_070_400_000n

const user = z.object({
  id: snowflake,
  username: z.string().nullish(),
  global_name: z.string().nullish(),
  bot: z.boolean().nullish(),
  system: z.boolean().nullish(),
})

const message = z.object({
  id: snowflake,
  channel_id: snowflake,
  guild_id: snowflake.nullish(),
  type: z.number(),
  author: user,
  webhook_id: z.string().nullish(),
  content: z.string(),
  timestamp: z.string(),
  edited_timestamp: z.string().nullish(),
  mentions: z.array(z.object({ id: z.string() })).catch([]),
  referenced_message: z
    .object({ author: z.object({ id: z.string() }) })
    .nullish()
    .catch(null),
  attachments: z.array(z.unknown()).catch([]),
})

const attachment = z.object({
  url: z.url({ protocol: /^https?$/ }).max(4_096),
  filename: z.string().nullish().catch(null),
  content_type: z.string().nullish().catch(null),
  size: z.number().int().min(0).nullish().catch(null),
})

const interaction = z.object({
  id: snowflake,
  type: z.literal(3),
  token: z.string().min(1).max(maxTokenLength),
  channel_id: snowflake,
  guild_id: snowflake.nullish(),
  message: z.object({ id: snowflake }).nullish().catch(null),
  data: z.object({ custom_id: z.string().min(1).max(256) }),
  member: z.object({ user }).nullish(),
  user: user.nullish(),
})

/**
 * What a person wrote; null for bots, webhooks, Discord's own notices and what can not be read. A thread is a channel
 * of its own. The bot's mention at the beginning is the address, and no part of the text.
 */
export function readMessage(given: unknown, ownId: string, { edited }: { edited: boolean }): InboundMessage | null {
  const { data } = message.safeParse(given)
  if (!data || !spokenTypes.has(data.type)) return null
  const { author } = data
  if (author.id === ownId || author.bot || author.system || data.webhook_id) return null
  // Discord also tells of a message that it has only put a preview under.
  if (edited && !data.edited_timestamp) return null
  const sentAt = isoTime((edited && data.edited_timestamp) || data.timestamp)
  const text = data.content.replace(new RegExp(`^\\s*<@!?${ownId}>\\s*`), '').slice(0, channelBounds.textBytes)
  const attachments = data.attachments.slice(0, channelBounds.attachments).flatMap(readAttachment)
  if (sentAt === null || (data.content.trim() === '' && attachments.length === 0)) return null
  const direct = !data.guild_id
  const mentioned = data.mentions.some(({ id }) => id === ownId)
  return {
    type: 'message',
    external_id: edited ? `${data.id}:${sentAt}` : data.id,
    message_id: data.id,
    chat_id: data.channel_id,
    thread_id: null,
    chat_kind: direct ? 'direct' : 'group',
    guild_id: data.guild_id ?? null,
    sender_id: author.id,
    sender_name: nameOf(author),
    text,
    addressed: direct || mentioned || data.referenced_message?.author.id === ownId,
    edited,
    attachments,
    sent_at: sentAt,
  }
}

/** A pressed button, and the token by which it is answered; null for interactions of other kinds. */
export function readPress(given: unknown): { press: InboundPress; token: string } | null {
  const { data } = interaction.safeParse(given)
  const sender = data?.member?.user ?? data?.user
  if (!data || !sender) return null
  const sentAt = isoTime(Number((BigInt(data.id) >> 22n) + discordEpochMs))
  if (sentAt === null) return null
  const press: InboundPress = {
    type: 'press',
    external_id: data.id,
    message_id: data.message?.id ?? null,
    chat_id: data.channel_id,
    thread_id: null,
    chat_kind: data.guild_id ? 'group' : 'direct',
    guild_id: data.guild_id ?? null,
    sender_id: sender.id,
    sender_name: nameOf(sender),
    value: data.data.custom_id,
    sent_at: sentAt,
  }
  return { press, token: data.token }
}

function readAttachment(given: unknown): InboundAttachment[] {
  const { data } = attachment.safeParse(given)
  if (!data) return []
  const contentType = data.content_type?.slice(0, maxNameLength) ?? null
  return [
    {
      kind: mediaKindOf(contentType),
      ref: data.url,
      filename: data.filename?.slice(0, maxNameLength) ?? null,
      content_type: contentType,
      size_bytes: data.size ?? null,
    },
  ]
}

function nameOf({ global_name, username }: z.infer<typeof user>): string | null {
  return (global_name ?? username)?.slice(0, maxNameLength) ?? null
}

function isoTime(given: string | number): string | null {
  const time = new Date(given)
  return Number.isNaN(time.getTime()) ? null : time.toISOString()
}
