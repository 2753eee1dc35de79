import { z } from 'zod'
import { type ChannelUpdate, channelBounds, type InboundMessage, type InboundPress } from '#sdk/channels/message.ts'
import { messageEntity, readAddress } from './addressing.ts'
import type { TelegramBot } from './api.ts'
import { attachmentsOf, messageContent, wordsOf } from './content.ts'

/** What Telegram is asked to tell of. */
export const allowedUpdates = ['message', 'edited_message', 'channel_post', 'callback_query'] as const

const maxNameLength = 256
const maxEntities = 100
/** The end of the year 9999. */
const lastSecond = 253_402_300_799

const wholeNumber = z.number().int()
const seconds = wholeNumber.min(0).max(lastSecond)
const text = z.string().optional().catch(undefined)

const chat = z.object({ id: wholeNumber, type: z.enum(['private', 'group', 'supergroup', 'channel']), title: text })
const user = z.object({
  id: wholeNumber,
  is_bot: z.boolean().catch(false),
  first_name: text,
  last_name: text,
  username: text,
})
const place = z.object({
  message_id: wholeNumber.min(0),
  chat,
  message_thread_id: wholeNumber.optional().catch(undefined),
  is_topic_message: z.boolean().catch(false),
})
const repliedTo = z.object({ from: z.object({ id: wholeNumber }), forum_topic_created: z.unknown().optional() })

const message = place.extend({
  ...messageContent,
  date: seconds,
  edit_date: seconds.optional().catch(undefined),
  from: user.optional().catch(undefined),
  sender_chat: z.object({ id: wholeNumber, title: text }).optional().catch(undefined),
  entities: z.array(z.unknown()).catch([]),
  caption_entities: z.array(z.unknown()).catch([]),
  reply_to_message: repliedTo.optional().catch(undefined),
})
type Message = z.infer<typeof message>

const callbackQuery = z.object({
  id: z.string().min(1).max(channelBounds.idBytes),
  from: user,
  message: place,
  data: z.string().min(1).max(256),
})

const update = z.object({
  update_id: wholeNumber.min(0),
  message: z.unknown().optional(),
  edited_message: z.unknown().optional(),
  channel_post: z.unknown().optional(),
  callback_query: z.unknown().optional(),
})

/** `id` is null where what came is no update at all; `update` where it is none that matters here. */
export function readUpdate(given: unknown, bot: TelegramBot): { id: number | null; update: ChannelUpdate | null } {
  const { data } = update.safeParse(given)
  if (!data) return { id: null, update: null }
  const { update_id: id, edited_message, callback_query } = data
  const said = data.message ?? data.channel_post
  if (said !== undefined) return { id, update: readMessage(id, said, bot, { edited: false }) }
  if (edited_message !== undefined) return { id, update: readMessage(id, edited_message, bot, { edited: true }) }
  return { id, update: readPress(callback_query) }
}

/** Null for other bots, for Telegram's notices and for what can not be read. */
function readMessage(
  updateId: number,
  given: unknown,
  bot: TelegramBot,
  { edited }: { edited: boolean },
): InboundMessage | null {
  const { data } = message.safeParse(given)
  const sender = data && senderOf(data)
  // Whoever shares where they are edits the message with every step.
  if (!data || !sender || (edited && data.location)) return null
  const written = data.text ?? data.caption
  const marks = data.text === undefined ? data.caption_entities : data.entities
  const entities = marks.slice(0, maxEntities).flatMap((mark) => messageEntity.safeParse(mark).data ?? [])
  const address = readAddress(written ?? wordsOf(data), entities, bot)
  const attachments = attachmentsOf(data).slice(0, channelBounds.attachments)
  if ((written ?? address.text).trim() === '' && attachments.length === 0) return null
  const direct = data.chat.type === 'private'
  return {
    type: 'message',
    external_id: String(updateId),
    message_id: String(data.message_id),
    ...addressOf(data),
    guild_id: null,
    ...sender,
    text: address.text.slice(0, channelBounds.textBytes),
    addressed: direct || address.named || repliesTo(bot, data),
    edited,
    attachments,
    sent_at: new Date(((edited && data.edit_date) || data.date) * 1_000).toISOString(),
  }
}

/** A press is named by the id under which it is acknowledged. Telegram does not say when it was. */
function readPress(given: unknown): InboundPress | null {
  const { data } = callbackQuery.safeParse(given)
  if (!data || data.from.is_bot) return null
  return {
    type: 'press',
    external_id: data.id,
    message_id: String(data.message.message_id),
    ...addressOf(data.message),
    guild_id: null,
    sender_id: String(data.from.id),
    sender_name: nameOf(data.from),
    value: data.data,
    sent_at: new Date().toISOString(),
  }
}

/**
 * A topic is a thread; in groups without topics Telegram gives replies a thread id as well, to which nothing can be
 * sent.
 */
function addressOf({ chat: { id, type }, message_thread_id, is_topic_message }: z.infer<typeof place>) {
  const topic = is_topic_message && message_thread_id !== undefined
  return {
    chat_id: String(id),
    thread_id: topic ? String(message_thread_id) : null,
    chat_kind: type === 'private' ? ('direct' as const) : ('group' as const),
  }
}

/** Who speaks as a chat (a channel, or a group's admin who stays unnamed) is that chat, whoever `from` says. */
function senderOf({ from, sender_chat, chat }: Message): Pick<InboundMessage, 'sender_id' | 'sender_name'> | null {
  const speaker = sender_chat ?? (chat.type === 'channel' ? chat : undefined)
  if (speaker) return { sender_id: String(speaker.id), sender_name: speaker.title?.slice(0, maxNameLength) ?? null }
  if (!from || from.is_bot) return null
  return { sender_id: String(from.id), sender_name: nameOf(from) }
}

/** In a topic everything replies to the notice that opened it. */
function repliesTo(bot: TelegramBot, { reply_to_message: reply }: Message): boolean {
  return reply !== undefined && reply.from.id === bot.id && reply.forum_topic_created === undefined
}

function nameOf({ first_name, last_name, username }: z.infer<typeof user>): string | null {
  const name = [first_name, last_name].filter(Boolean).join(' ') || username
  return name?.slice(0, maxNameLength) ?? null
}
