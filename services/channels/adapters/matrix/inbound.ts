import { z } from 'zod'
import { channelBounds, type InboundAttachment } from '#sdk/channels/message.ts'
import type { MediaKind } from '#sdk/channels/platforms.ts'
import { mediaKindOf } from '../../media-kind.ts'
import { eventId, userId } from './api.ts'

const maxNameLength = 256
const maxHtmlLength = 262_144
/** Of the first line that names Keel. */
const maxMentionLength = 300

export const mxcUri = z.string().regex(/^mxc:\/\/[A-Za-z0-9[][A-Za-z0-9.:\]-]{0,254}\/[A-Za-z0-9_-]{1,255}$/)

const kinds: Readonly<Record<string, MediaKind>> = {
  'm.image': 'image',
  'm.audio': 'audio',
  'm.video': 'video',
  'm.file': 'document',
}
const spokenTypes = new Set(['m.text', 'm.emote', ...Object.keys(kinds)])

const relation = z
  .object({
    rel_type: z.string().optional().catch(undefined),
    event_id: eventId.optional().catch(undefined),
    is_falling_back: z.boolean().optional().catch(undefined),
    'm.in_reply_to': z.object({ event_id: eventId }).optional().catch(undefined),
  })
  .optional()
  .catch(undefined)

const spoken = z.object({
  msgtype: z.string(),
  body: z.string(),
  formatted_body: z.string().max(maxHtmlLength).optional().catch(undefined),
  filename: z.string().optional().catch(undefined),
  /** Not there for encrypted files, which can not be read. */
  url: mxcUri.optional().catch(undefined),
  info: z
    .object({
      mimetype: z.string().nullish().catch(null),
      size: z.number().int().min(0).nullish().catch(null),
    })
    .optional()
    .catch(undefined),
  'm.mentions': z
    .object({ user_ids: z.array(z.string()).catch([]) })
    .optional()
    .catch(undefined),
})

export const messageEvent = z.object({
  event_id: eventId,
  type: z.literal('m.room.message'),
  sender: userId,
  origin_server_ts: z.number(),
  content: z.looseObject({ 'm.relates_to': relation, 'm.new_content': z.unknown().optional() }),
})

/** What a person wrote, before anything is asked about its room. */
export interface SpokenEvent {
  id: string
  sender: string
  sentAt: string
  text: string
  attachments: InboundAttachment[]
  /** It names the account by its id. */
  mentioned: boolean
  replyTo: string | null
  thread: string | null
  /** The event that it takes the place of. */
  replaces: string | null
}

/** null for notices, which is how bots speak, for the account's own words, and for what is no message of a person. */
export function readSpoken(given: unknown, ownId: string): SpokenEvent | null {
  const { data: event } = messageEvent.safeParse(given)
  if (!event || event.sender === ownId) return null
  const relates = event.content['m.relates_to']
  const replaces = relates?.rel_type === 'm.replace' ? (relates.event_id ?? null) : null
  const { data: content } = spoken.safeParse(replaces === null ? event.content : event.content['m.new_content'])
  if (!content || !spokenTypes.has(content.msgtype)) return null
  const replyTo = relates?.is_falling_back ? null : (relates?.['m.in_reply_to']?.event_id ?? null)
  const attachments = readAttachment(content)
  const mentioned = isMentioned(content, ownId)
  const text = textOf(content, { ownId, mentioned, isReply: relates?.['m.in_reply_to'] !== undefined })
  if (text.trim() === '' && attachments.length === 0) return null
  return {
    id: event.event_id,
    sender: event.sender,
    sentAt: isoTime(event.origin_server_ts),
    text,
    attachments,
    mentioned,
    replyTo,
    thread: threadOf(event),
    replaces,
  }
}

export function threadOf({ content }: Pick<z.infer<typeof messageEvent>, 'content'>): string | null {
  const relates = content['m.relates_to']
  return relates?.rel_type === 'm.thread' ? (relates.event_id ?? null) : null
}

function isMentioned({ formatted_body, ...content }: z.infer<typeof spoken>, ownId: string): boolean {
  const named = content['m.mentions']
  // Whoever writes this field says by it who is meant, and then links mean nothing.
  if (named) return named.user_ids.includes(ownId)
  return formatted_body !== undefined && linksTo(ownId).some((link) => formatted_body.includes(link))
}

function linksTo(ownId: string): string[] {
  return [ownId, encodeURIComponent(ownId)].map((id) => `href="https://matrix.to/#/${id}"`)
}

/** Without the quotation that older clients put before a reply, and without the account's name where it is the address. */
function textOf(
  { msgtype, body, filename, formatted_body = '' }: z.infer<typeof spoken>,
  { ownId, mentioned, isReply }: { ownId: string; mentioned: boolean; isReply: boolean },
): string {
  const isFile = msgtype in kinds
  // The body of a file is its name, unless it has one beside it: then it is what was written under it.
  if (isFile && (filename === undefined || filename === body)) return ''
  const written = isReply ? body.replace(/^(> .*(\n|$))+\n?/, '') : body
  const start = formatted_body.replace(/^<mx-reply>[\s\S]*?<\/mx-reply>/, '').slice(0, maxMentionLength)
  const name = /^(?:<p>)?<a href="[^"]*">([^<]+)<\/a>/.exec(start)?.[1]
  const names = mentioned ? [ownId, ...(name && linksTo(ownId).some((link) => start.includes(link)) ? [name] : [])] : []
  const address = names.find((each) => written.startsWith(each))
  const text = address === undefined ? written : written.slice(address.length).replace(/^[:,]?\s*/, '')
  return text.slice(0, channelBounds.textBytes)
}

function readAttachment({ msgtype, body, filename, url, info }: z.infer<typeof spoken>): InboundAttachment[] {
  const kind = kinds[msgtype]
  if (kind === undefined || url === undefined) return []
  const contentType = info?.mimetype?.slice(0, maxNameLength) ?? null
  return [
    {
      // A file is what its type says: a client may send a picture as one.
      kind: kind === 'document' ? mediaKindOf(contentType) : kind,
      ref: url,
      filename: (filename ?? body).slice(0, maxNameLength),
      content_type: contentType,
      size_bytes: info?.size ?? null,
    },
  ]
}

/** Servers may claim any time; where it is none, it is now. */
function isoTime(claimed: number): string {
  const time = new Date(claimed)
  return (Number.isNaN(time.getTime()) ? new Date() : time).toISOString()
}
