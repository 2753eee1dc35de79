import { z } from 'zod'
import type { InboundAttachment } from '#sdk/channels/message.ts'
import { mediaKindOf } from '../../media-kind.ts'
import { contactInWords, placeInWords } from '../../spoken-forms.ts'

const maxNameLength = 256
const maxOptions = 20

const text = z.string().optional().catch(undefined)
const flag = z.boolean().catch(false)
const file = z.object({
  file_id: z.string().min(1).max(4_096),
  file_size: z.number().int().min(0).optional().catch(undefined),
  mime_type: text,
  file_name: text,
})
const photo = file.extend({ width: z.number().catch(0), height: z.number().catch(0) })
const point = z.object({ latitude: z.number(), longitude: z.number() })

/** The fields in which a message carries something; one that can not be read is as if it were not there. */
export const messageContent = {
  text,
  caption: text,
  photo: z.array(z.unknown()).catch([]),
  audio: file.optional().catch(undefined),
  voice: file.optional().catch(undefined),
  video: file.optional().catch(undefined),
  video_note: file.optional().catch(undefined),
  animation: file.optional().catch(undefined),
  document: file.optional().catch(undefined),
  sticker: file.extend({ is_animated: flag, is_video: flag, emoji: text }).optional().catch(undefined),
  location: point.optional().catch(undefined),
  venue: z.object({ location: point, title: text, address: text }).optional().catch(undefined),
  contact: z.object({ phone_number: z.string(), first_name: text, last_name: text }).optional().catch(undefined),
  poll: z
    .object({ question: z.string(), options: z.array(z.object({ text: z.string() })).catch([]) })
    .optional()
    .catch(undefined),
}

const contentShape = z.object(messageContent)
type Content = z.infer<typeof contentShape>

/** What it says beyond its text and caption. */
export function wordsOf({ sticker, venue, location, contact, poll }: Content): string {
  if (sticker?.emoji) return sticker.emoji
  if (venue) return placeInWords({ ...venue.location, name: venue.title, address: venue.address })
  if (location) return placeInWords(location)
  if (contact) {
    const name = [contact.first_name, contact.last_name].filter(Boolean).join(' ')
    return contactInWords({ name, phones: [contact.phone_number] })
  }
  if (!poll) return ''
  return [`Poll: ${poll.question}`, ...poll.options.slice(0, maxOptions).map((option) => `- ${option.text}`)].join('\n')
}

export function attachmentsOf(content: Content): InboundAttachment[] {
  const { audio, voice, video, video_note, animation, document, sticker } = content
  const largest = content.photo
    .flatMap((size) => photo.safeParse(size).data ?? [])
    .reduce<z.infer<typeof photo> | undefined>(
      (best, size) => (best && area(best) >= area(size) ? best : size),
      undefined,
    )
  return [
    largest && attachment(largest, 'image/jpeg'),
    audio && attachment(audio, audio.mime_type ?? 'audio/mpeg'),
    voice && attachment(voice, voice.mime_type ?? 'audio/ogg'),
    video && attachment(video, video.mime_type ?? 'video/mp4'),
    video_note && attachment(video_note, 'video/mp4'),
    animation && attachment(animation, animation.mime_type ?? 'video/mp4'),
    // An animation comes as a document as well.
    document && !animation && attachment(document, document.mime_type ?? null),
    sticker && attachment(sticker, stickerType(sticker)),
  ].filter((found) => found !== undefined && found !== false)
}

function attachment(given: z.infer<typeof file>, contentType: string | null): InboundAttachment {
  return {
    kind: mediaKindOf(contentType),
    ref: given.file_id,
    filename: given.file_name?.slice(0, maxNameLength) ?? null,
    content_type: contentType?.slice(0, maxNameLength) ?? null,
    size_bytes: given.file_size ?? null,
  }
}

function stickerType({ is_animated, is_video }: NonNullable<Content['sticker']>): string {
  if (is_animated) return 'application/x-tgsticker'
  return is_video ? 'video/webm' : 'image/webp'
}

function area({ width, height }: z.infer<typeof photo>): number {
  return width * height
}
