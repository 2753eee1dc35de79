import { z } from 'zod'
import {
  type ChannelUpdate,
  channelBounds,
  type DeliveryReceipt,
  type InboundAttachment,
} from '#sdk/channels/message.ts'
import { mediaKindOf } from '../../media-kind.ts'
import { accountId, groupId, messageId, phoneNumber, timestamp } from './chat.ts'

const maxNameLength = 256
const maxMentions = 100
/** Stands in the text where somebody is named. */
const placeholder = '\uFFFC'

const number = phoneNumber.nullish().catch(null)
const uuid = accountId.nullish().catch(null)
const name = z.string().nullish().catch(null)

/** A file of signal-cli's own folder: no more than a name. */
export const attachmentId = z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/)

const attachment = z.object({
  id: attachmentId,
  contentType: name,
  filename: name,
  size: z.number().int().min(0).nullish().catch(null),
})

const mention = z.object({ number, uuid, start: z.number().int().min(0), length: z.number().int().min(0) })

const dataMessage = z.object({
  timestamp,
  message: z.string().nullish().catch(null),
  groupInfo: z.object({ groupId }).nullish(),
  mentions: z.array(z.unknown()).nullish().catch(null),
  attachments: z.array(z.unknown()).nullish().catch(null),
  quote: z.object({ authorNumber: number, authorUuid: uuid }).nullish().catch(null),
  /** An answer to a story is no message of a conversation. */
  storyContext: z.unknown().optional(),
})

const received = z.object({
  account: z.string().nullish().catch(null),
  envelope: z.object({
    sourceNumber: number,
    sourceUuid: uuid,
    sourceName: name,
    dataMessage: z.unknown().optional(),
    editMessage: z
      .object({ targetSentTimestamp: timestamp, dataMessage: z.unknown().optional() })
      .nullish()
      .catch(null),
    receiptMessage: z
      .object({
        isDelivery: z.boolean().catch(false),
        isRead: z.boolean().catch(false),
        isViewed: z.boolean().catch(false),
        timestamps: z.array(z.unknown()).catch([]),
      })
      .nullish()
      .catch(null),
  }),
})

type Mention = z.infer<typeof mention>

/** The account itself; its id may not be known. */
export interface OwnAccount {
  number: string
  uuid: string | null
}

/** What an event of the daemon says. What the account's other devices sent is none of it, and what is no message of a person. */
export function readEvent(data: string, own: OwnAccount): ChannelUpdate[] {
  const given = received.safeParse(parseJson(data)).data
  if (!given || (given.account && given.account !== own.number && given.account !== own.uuid)) return []
  const { envelope } = given
  const sender = envelope.sourceNumber ?? envelope.sourceUuid
  if (!sender || isOwn({ number: envelope.sourceNumber, uuid: envelope.sourceUuid }, own)) return []
  if (envelope.receiptMessage) return readReceipts(envelope.receiptMessage, sender, own)
  const replaced = envelope.editMessage?.targetSentTimestamp ?? null
  const message = dataMessage.safeParse(envelope.editMessage?.dataMessage ?? envelope.dataMessage).data
  if (!message || message.storyContext) return []
  const mentions = (message.mentions ?? []).slice(0, maxMentions).flatMap((each) => mention.safeParse(each).data ?? [])
  const attachments = (message.attachments ?? []).slice(0, channelBounds.attachments)
  const text = withMentions(message.message ?? '', mentions, own)
  const chat = message.groupInfo?.groupId ?? sender
  const files = attachments.flatMap((each) => readAttachment(each, chat))
  if (text.trim() === '' && files.length === 0) return []
  const direct = !message.groupInfo
  const { quote } = message
  const quotesOwn = isOwn({ number: quote?.authorNumber, uuid: quote?.authorUuid }, own)
  return [
    {
      type: 'message',
      external_id: messageId(sender, message.timestamp),
      message_id: messageId(sender, replaced ?? message.timestamp),
      chat_id: chat,
      thread_id: null,
      chat_kind: direct ? 'direct' : 'group',
      guild_id: null,
      sender_id: sender,
      sender_name: envelope.sourceName?.slice(0, maxNameLength) ?? null,
      text: text.slice(0, channelBounds.textBytes),
      addressed: direct || quotesOwn || mentions.some((each) => isOwn(each, own)),
      edited: replaced !== null,
      attachments: files,
      sent_at: isoTime(message.timestamp),
    },
  ]
}

function readReceipts(
  { isDelivery, isRead, isViewed, timestamps }: NonNullable<z.infer<typeof received>['envelope']['receiptMessage']>,
  sender: string,
  own: OwnAccount,
): DeliveryReceipt[] {
  const status = isRead || isViewed ? 'read' : 'delivered'
  if (!isDelivery && status === 'delivered') return []
  return timestamps.slice(0, channelBounds.updates).flatMap((each) => {
    const { data: sentAt } = timestamp.safeParse(each)
    if (sentAt === undefined) return []
    const message_id = messageId(own.number, sentAt)
    return [{ type: 'receipt', external_id: `${status}:${sender}:${sentAt}`, message_id, status, error: null }]
  })
}

function isOwn(
  who: { number?: string | null | undefined; uuid?: string | null | undefined },
  own: OwnAccount,
): boolean {
  return who.number === own.number || (own.uuid !== null && who.uuid === own.uuid)
}

/** People named by their numbers; the account's own name at the beginning is the address, and no part of the text. */
function withMentions(text: string, mentions: readonly Mention[], own: OwnAccount): string {
  let named = text
  for (const each of mentions.toSorted((left, right) => right.start - left.start)) {
    const end = each.start + each.length
    if (named.slice(each.start, end) !== placeholder) continue
    const address = isOwn(each, own) && named.slice(0, each.start).trim() === ''
    const words = address ? '' : `@${each.number ?? each.uuid ?? ''}`
    named = named.slice(0, each.start) + words + (address ? named.slice(end).trimStart() : named.slice(end))
  }
  return named
}

function readAttachment(given: unknown, chat: string): InboundAttachment[] {
  const { data } = attachment.safeParse(given)
  if (!data) return []
  const contentType = data.contentType?.slice(0, maxNameLength) ?? null
  return [
    {
      kind: mediaKindOf(contentType),
      // signal-cli gives a file only for the conversation in which it came.
      ref: `${chat} ${data.id}`,
      filename: data.filename?.slice(0, maxNameLength) ?? null,
      content_type: contentType,
      size_bytes: data.size ?? null,
    },
  ]
}

function isoTime(ms: number): string {
  const time = new Date(ms)
  return (Number.isNaN(time.getTime()) ? new Date() : time).toISOString()
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
