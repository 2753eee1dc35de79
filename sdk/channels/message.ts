import { z } from 'zod'
import { mediaKind } from './platforms.ts'

/** The bounds of what comes in and goes out. */
export const channelBounds = {
  idBytes: 512,
  textBytes: 262_144,
  attachments: 16,
  /** Bytes of a file that is taken, by kind. */
  fileBytes: { image: 10_485_760, audio: 26_214_400, video: 52_428_800, document: 52_428_800 },
  /** Updates that are handed over at once. */
  updates: 100,
  /** Of one webhook's body. */
  webhookBytes: 1_048_576,
  /** Parts of one message. */
  parts: 100,
  buttons: 8,
} as const

const id = z.string().min(1).max(channelBounds.idBytes)
const name = z.string().max(256)

/** A conversation, as the platform names it. */
export const chatAddress = z.object({
  chat_id: id,
  /** A topic, thread or mail thread within it. */
  thread_id: id.nullable(),
})
export type ChatAddress = z.infer<typeof chatAddress>

export const inboundAttachment = z.object({
  kind: mediaKind,
  /** By which the adapter fetches it. */
  ref: z.string().min(1).max(4_096),
  filename: name.nullable(),
  content_type: name.nullable(),
  size_bytes: z.number().int().min(0).nullable(),
})
export type InboundAttachment = z.infer<typeof inboundAttachment>

/** One message of a person, in the words of no platform. Its sender is who the platform says, by an id that nobody can choose. */
export const inboundMessage = chatAddress.extend({
  type: z.literal('message'),
  /** The same update under the same id, however often it comes. */
  external_id: id,
  /** The message's own id, to reply to or to be replied to. */
  message_id: id.nullable(),
  chat_kind: z.enum(['direct', 'group']),
  /** Of the server, team or the like that the chat belongs to. */
  guild_id: id.nullable(),
  sender_id: id,
  sender_name: name.nullable(),
  text: z.string().max(channelBounds.textBytes),
  /** It names the bot, replies to it, or is a command for it. */
  addressed: z.boolean(),
  /** It replaces an earlier message. */
  edited: z.boolean(),
  attachments: z.array(inboundAttachment).max(channelBounds.attachments),
  /** ISO-8601. */
  sent_at: z.string(),
})
export type InboundMessage = z.infer<typeof inboundMessage>

/** A button under one of Keel's messages was pressed. */
export const inboundPress = chatAddress.extend({
  type: z.literal('press'),
  external_id: id,
  message_id: id.nullable(),
  guild_id: id.nullable(),
  chat_kind: z.enum(['direct', 'group']),
  sender_id: id,
  sender_name: name.nullable(),
  /** As it was given with the button. */
  value: z.string().max(256),
  sent_at: z.string(),
})
export type InboundPress = z.infer<typeof inboundPress>

/** What the platform says about a message that was sent. */
export const deliveryReceipt = z.object({
  type: z.literal('receipt'),
  external_id: id,
  message_id: id,
  status: z.enum(['delivered', 'read', 'failed']),
  error: z.string().max(1_024).nullable(),
})
export type DeliveryReceipt = z.infer<typeof deliveryReceipt>

export const channelUpdate = z.discriminatedUnion('type', [inboundMessage, inboundPress, deliveryReceipt])
export type ChannelUpdate = z.infer<typeof channelUpdate>

export const outboundAttachment = z.object({
  kind: mediaKind,
  filename: z.string().min(1).max(256),
  content_type: z.string().max(256),
  size_bytes: z.number().int().min(0),
  caption: z.string().max(1_024).nullable(),
})
export type OutboundAttachment = z.infer<typeof outboundAttachment>

export const messageButton = z.object({ label: z.string().min(1).max(64), value: z.string().min(1).max(64) })
export type MessageButton = z.infer<typeof messageButton>

/** A message to be sent: Markdown, which the adapter turns into the platform's own markup, in as many parts as it takes. */
export const outboundMessage = chatAddress.extend({
  delivery_id: z.string(),
  /** The same whenever it is tried again. */
  idempotency_key: z.string(),
  text: z.string().max(channelBounds.textBytes),
  /** The message that it answers. */
  reply_to: id.nullable(),
  /** A message of Keel's own that it takes the place of: the draft shown while the answer was written. */
  replaces: id.nullable(),
  attachments: z.array(outboundAttachment).max(channelBounds.attachments),
  buttons: z.array(messageButton).max(channelBounds.buttons),
  /** Of the parts, those that are known to have been sent. */
  parts_sent: z.number().int().min(0),
  /** For e-mail. */
  subject: z.string().max(256).nullable(),
})
export type OutboundMessage = z.infer<typeof outboundMessage>

/** How a try to send ended. */
export const sendOutcome = z.discriminatedUnion('status', [
  z.object({ status: z.literal('sent') }),
  /** It may go better later, and not before `retry_after_ms` where the platform says so. */
  z.object({
    status: z.literal('retry'),
    error: z.string().max(1_024),
    code: z.string().max(128).nullable(),
    retry_after_ms: z.number().int().min(0).nullable(),
  }),
  /** It will never go better: by the platform's code, never by its words. */
  z.object({ status: z.literal('failed'), error: z.string().max(1_024), code: z.string().max(128) }),
])
export type SendOutcome = z.infer<typeof sendOutcome>
