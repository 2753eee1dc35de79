import { z } from 'zod'
import {
  type ChannelUpdate,
  channelBounds,
  type DeliveryReceipt,
  type InboundAttachment,
  type InboundMessage,
  type InboundPress,
} from '#sdk/channels/message.ts'
import { mediaKindOf } from '../../media-kind.ts'
import { contactInWords, placeInWords } from '../../spoken-forms.ts'
import { graphId, sentenceFor } from './api.ts'

const maxNameLength = 256
const maxErrorLength = 1_024
const maxContacts = 10
/** With room for the status that is put behind a receipt's. */
const messageId = z
  .string()
  .min(1)
  .max(channelBounds.idBytes - 16)
/** Seconds since 1970, as text. */
const timestamp = z.string().regex(/^\d{1,11}$/)
/** As Keel names its buttons; a template's buttons may carry any text. */
const buttonValue = /^[\w.:/-]{1,64}$/

const text = z.string().optional().catch(undefined)
const list = z.array(z.unknown()).catch([])
const media = z.object({ id: graphId, mime_type: text, caption: text, filename: text }).optional().catch(undefined)
const reply = z
  .object({ id: z.string(), title: z.string().catch('') })
  .optional()
  .catch(undefined)

const webhook = z.object({ entry: list })
const entry = z.object({ changes: list })
const change = z.object({
  field: z.literal('messages'),
  value: z.object({
    metadata: z.object({ phone_number_id: z.string() }),
    contacts: list,
    messages: list,
    statuses: list,
  }),
})
type Value = z.infer<typeof change>['value']

const profile = z.object({ wa_id: z.string(), profile: z.object({ name: z.string() }) })

const message = z.object({
  id: messageId,
  from: z.string().regex(/^\d{1,20}$/),
  timestamp,
  type: z.string(),
  group_id: z.string().optional(),
  context: z.object({ id: messageId }).optional().catch(undefined),
  text: z.object({ body: z.string() }).optional().catch(undefined),
  button: z
    .object({ payload: z.string(), text: z.string().catch('') })
    .optional()
    .catch(undefined),
  interactive: z.object({ button_reply: reply, list_reply: reply }).optional().catch(undefined),
  image: media,
  audio: media,
  video: media,
  document: media,
  sticker: media,
  location: z
    .object({ latitude: z.number(), longitude: z.number(), name: text, address: text })
    .optional()
    .catch(undefined),
  contacts: list,
})
type Message = z.infer<typeof message>

const sharedContact = z.object({ name: z.object({ formatted_name: z.string() }), phones: list })
const phone = z.object({ phone: z.string() })

const status = z.object({
  id: messageId,
  status: z.enum(['delivered', 'read', 'failed']),
  errors: z
    .array(z.object({ code: z.number().int(), title: z.string().catch('') }))
    .optional()
    .catch(undefined),
})

/** All that a webhook says of this number: what people wrote and pressed, and what became of what was sent. */
export function readWebhook(given: unknown, phoneNumberId: string): ChannelUpdate[] {
  const entries = webhook.safeParse(given).data?.entry ?? []
  return entries
    .flatMap((each) => entry.safeParse(each).data?.changes ?? [])
    .flatMap((each) => change.safeParse(each).data?.value ?? [])
    .filter(({ metadata }) => metadata.phone_number_id === phoneNumberId)
    .flatMap((value) => [...readMessages(value), ...value.statuses.flatMap(readStatus)])
}

function readMessages({ messages, contacts }: Value): (InboundMessage | InboundPress)[] {
  const profiles = contacts.flatMap((each) => profile.safeParse(each).data ?? [])
  const names = new Map(profiles.map(({ wa_id, profile: { name } }) => [wa_id, name.slice(0, maxNameLength)]))
  return messages.flatMap((each) => {
    const { data } = message.safeParse(each)
    // Keel is in no group, and an answer to one person is not what was asked for there.
    if (!data || data.group_id !== undefined) return []
    return readPress(data, names.get(data.from) ?? null) ?? readMessage(data, names.get(data.from) ?? null) ?? []
  })
}

function readMessage(given: Message, senderName: string | null): InboundMessage | null {
  const attachments = attachmentsOf(given)
  const words = wordsOf(given)
  if (words.trim() === '' && attachments.length === 0) return null
  return {
    type: 'message',
    external_id: given.id,
    message_id: given.id,
    ...personOf(given, senderName),
    text: words.slice(0, channelBounds.textBytes),
    addressed: true,
    edited: false,
    attachments,
  }
}

/** Only what has the form of a value of Keel's own is a press; the message with the button is the context. */
function readPress(given: Message, senderName: string | null): InboundPress | null {
  const value = given.interactive?.button_reply?.id ?? given.button?.payload
  if (value === undefined || !buttonValue.test(value)) return null
  const message_id = given.context?.id ?? null
  return { type: 'press', external_id: given.id, message_id, ...personOf(given, senderName), value }
}

function personOf({ from, timestamp: seconds }: Message, sender_name: string | null) {
  return {
    chat_id: from,
    thread_id: null,
    chat_kind: 'direct' as const,
    guild_id: null,
    sender_id: from,
    sender_name,
    sent_at: new Date(Number(seconds) * 1_000).toISOString(),
  }
}

function wordsOf(given: Message): string {
  const { interactive, button, location } = given
  const caption = given.image?.caption ?? given.video?.caption ?? given.document?.caption
  const chosen = interactive?.button_reply?.title ?? interactive?.list_reply?.title ?? button?.text
  const written = given.text?.body ?? caption ?? chosen
  if (written !== undefined) return written
  if (location) return placeInWords(location)
  return given.contacts.slice(0, maxContacts).flatMap(contactWords).join('\n')
}

function contactWords(given: unknown): string[] {
  const { data } = sharedContact.safeParse(given)
  if (!data) return []
  const phones = data.phones.flatMap((each) => phone.safeParse(each).data?.phone ?? [])
  return [contactInWords({ name: data.name.formatted_name, phones })]
}

function attachmentsOf({ image, audio, video, document, sticker }: Message): InboundAttachment[] {
  return [
    image && attachment(image, 'image/jpeg'),
    audio && attachment(audio, 'audio/ogg'),
    video && attachment(video, 'video/mp4'),
    document && attachment(document, null),
    sticker && attachment(sticker, 'image/webp'),
  ].filter((found) => found !== undefined)
}

function attachment(given: NonNullable<z.infer<typeof media>>, usualType: string | null): InboundAttachment {
  const contentType = given.mime_type?.slice(0, maxNameLength) ?? usualType
  return {
    kind: mediaKindOf(contentType),
    ref: given.id,
    filename: given.filename?.slice(0, maxNameLength) ?? null,
    content_type: contentType,
    size_bytes: null,
  }
}

function readStatus(given: unknown): DeliveryReceipt[] {
  const { data } = status.safeParse(given)
  if (!data) return []
  const [error] = data.errors ?? []
  const said = error ? `${sentenceFor(error.code, error.title)} (${error.code})` : 'WhatsApp does not say why'
  return [
    {
      type: 'receipt',
      external_id: `${data.id}:${data.status}`,
      message_id: data.id,
      status: data.status,
      error: data.status === 'failed' ? said.slice(0, maxErrorLength) : null,
    },
  ]
}
