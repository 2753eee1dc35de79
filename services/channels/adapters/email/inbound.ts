import type { MessageStructureObject } from 'imapflow'
import { channelBounds, type InboundAttachment, type InboundMessage } from '#sdk/channels/message.ts'
import { htmlToText } from '#sdk/html-text.ts'
import { mediaKindOf } from '../../media-kind.ts'
import { domainOf } from './addresses.ts'
import { provesDomain } from './authentication-results.ts'
import { type MailHeaders, readHeaders } from './headers.ts'
import type { Mailbox } from './mailbox.ts'
import { writtenText } from './written-text.ts'

const maxTextBytes = 1024 * 1024
const maxNameLength = 256
const maxSubjectLength = 256
const maxParts = 200
/** Of base64: so many characters of a line, and the bytes that they stand for. */
const base64Line = { characters: 78, bytes: 57 }

export interface Letter {
  message: InboundMessage
  subject: string
}

/**
 * What a person wrote; null for what nobody wrote, for Keel's own mail and for what is from nobody or from many. Where it
 * is not proven who it is from, the sender is none that could be on a list, and there is nobody to answer.
 */
export async function readLetter(
  mailbox: Mailbox,
  uid: number,
  { ownAddresses, authserv }: { ownAddresses: readonly string[]; authserv: string },
): Promise<Letter | null> {
  const described = await mailbox.describe(uid)
  if (!described) return null
  const headers = await readHeaders(described.headers)
  const { from, automatic } = headers
  if (from === null || automatic || ownAddresses.includes(from)) return null
  const proven = provesDomain(headers.authenticationResults, domainOf(from), authserv)
  const sender = proven ? from : `unverified:${from}`
  const place = `${mailbox.uidValidity}:${uid}`
  // With its sender: nobody can use up the id of a message that somebody else is going to send.
  const external = `${headers.messageId ?? place} ${sender}`
  const { text, attachments } = await readBody(mailbox, uid, described.structure)
  const subject = headers.subject.slice(0, maxSubjectLength)
  const message: InboundMessage = {
    type: 'message',
    external_id: external.length <= channelBounds.idBytes ? external : place,
    message_id: headers.messageId,
    chat_id: sender,
    thread_id: threadOf(headers),
    chat_kind: 'direct',
    guild_id: null,
    sender_id: sender,
    sender_name: headers.fromName?.replace(/\p{Cc}+/gu, ' ').slice(0, maxNameLength) ?? null,
    text: `${headingOf(subject, text)}${text}`.trimEnd().slice(0, channelBounds.textBytes),
    addressed: true,
    edited: false,
    attachments: attachments.map((each) => ({ ...each, ref: `${place}:${each.ref}` })),
    sent_at: described.arrivedAt.toISOString(),
  }
  return { message, subject }
}

/** What begins with a slash may be a command, which says the whole of what it says. */
function headingOf(subject: string, text: string): string {
  return subject === '' || text.startsWith('/') ? '' : `[Subject: ${subject}]\n\n`
}

/** The first message of the thread. */
export function threadOf({ references, messageId }: Pick<MailHeaders, 'references' | 'messageId'>): string | null {
  return references[0] ?? messageId
}

async function readBody(mailbox: Mailbox, uid: number, structure: MessageStructureObject) {
  const leaves = leavesOf(structure)
  const texts = leaves.filter(isText)
  const plain = texts.find(({ type }) => type === 'text/plain')
  const html = texts.find(({ type }) => type === 'text/html')
  const read = (leaf: MessageStructureObject) => mailbox.readText(uid, leaf.part ?? '1', maxTextBytes)
  let text = plain ? writtenText(await read(plain)) : ''
  if (text === '' && html) text = writtenText(htmlToText(await read(html)))
  const files = leaves.filter((leaf) => !isText(leaf)).slice(0, channelBounds.attachments)
  return { text, attachments: files.map(readAttachment) }
}

/** A message within the message is a file. */
function leavesOf(node: MessageStructureObject): MessageStructureObject[] {
  const leaves: MessageStructureObject[] = []
  const waiting = [node]
  while (waiting.length > 0 && leaves.length < maxParts) {
    const next = waiting.shift()
    if (next?.type.startsWith('multipart/')) waiting.unshift(...(next.childNodes ?? []))
    else if (next) leaves.push(next)
  }
  return leaves
}

function isText({ type, disposition, dispositionParameters, parameters }: MessageStructureObject): boolean {
  const named = dispositionParameters?.filename ?? parameters?.name
  return (type === 'text/plain' || type === 'text/html') && disposition !== 'attachment' && named === undefined
}

function readAttachment(leaf: MessageStructureObject): InboundAttachment {
  const filename = leaf.dispositionParameters?.filename ?? leaf.parameters?.name ?? null
  const { characters, bytes } = base64Line
  const encoded = leaf.encoding === 'base64'
  return {
    kind: mediaKindOf(leaf.type),
    ref: leaf.part ?? '1',
    filename: filename?.replace(/\p{Cc}+/gu, ' ').slice(0, maxNameLength) ?? null,
    content_type: leaf.type.slice(0, maxNameLength),
    size_bytes: leaf.size === undefined ? null : encoded ? Math.floor((leaf.size / characters) * bytes) : leaf.size,
  }
}
