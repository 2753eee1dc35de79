import { createHash, randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { MediaKind } from '#sdk/channels/platforms.ts'
import type { Adapter, AdapterHost, OutboundPart } from '../../adapter.ts'
import { PlatformError } from '../../platform-error.ts'
import { eventId, type MatrixApi, roomId } from './api.ts'
import { mxcUri } from './inbound.ts'

/** Of one event's content; a homeserver takes 65,536 bytes with what it adds. */
const maxContentBytes = 60_000
/** Of the text that is shown by clients which do not know edits. */
const maxFallbackLength = 500

const created = z.object({ event_id: eventId })
const uploaded = z.object({ content_uri: mxcUri })

type Draft = Parameters<NonNullable<Adapter['draft']>>[0]

const messageTypes: Readonly<Record<MediaKind, string>> = {
  image: 'm.image',
  audio: 'm.audio',
  video: 'm.video',
  document: 'm.file',
}

/** What is said on Matrix. A transaction's id makes what is sent again the same event. */
export class MatrixOutbox {
  readonly #api: MatrixApi
  readonly #host: AdapterHost

  constructor(api: MatrixApi, host: AdapterHost) {
    this.#api = api
    this.#host = host
  }

  async send(part: OutboundPart, signal: AbortSignal): Promise<{ message_id: string }> {
    const room = checkedRoom(part.chat_id)
    const content = part.file ? await this.#fileContent(part, part.file, signal) : textContent(part)
    const transaction = createHash('sha256').update(part.key).digest('base64url')
    return this.#put(room, transaction, { content, ...part, message_id: part.replaces }, signal)
  }

  async draft({ chat_id, ...draft }: Draft, signal: AbortSignal): Promise<{ message_id: string }> {
    return this.#put(checkedRoom(chat_id), randomUUID(), { content: textContent(draft), ...draft }, signal)
  }

  async #put(
    room: string,
    transaction: string,
    said: { content: object; plain: string } & Pick<Draft, 'thread_id' | 'reply_to' | 'message_id'>,
    signal: AbortSignal,
  ): Promise<{ message_id: string }> {
    const { message_id, plain } = said
    const content =
      message_id === null
        ? { ...said.content, ...relationOf(said) }
        : {
            msgtype: 'm.text',
            body: `* ${plain.slice(0, maxFallbackLength)}`,
            'm.mentions': {},
            'm.new_content': said.content,
            'm.relates_to': { rel_type: 'm.replace', event_id: checkedEvent(message_id) },
          }
    const path = ['client', 'v3', 'rooms', room, 'send', 'm.room.message', transaction]
    const { event_id } = await this.#api.ask(created, { method: 'PUT', path, content }, signal)
    return { message_id: message_id ?? event_id }
  }

  /** A try that comes to nothing leaves an upload behind that nobody sees. */
  async #fileContent(
    { text, plain }: OutboundPart,
    file: NonNullable<OutboundPart['file']>,
    signal: AbortSignal,
  ): Promise<object> {
    const { kind, filename, content_type, size_bytes } = file.about
    const bytes = { bytes: this.#host.readFile(file), sizeBytes: size_bytes, contentType: content_type }
    const path = ['media', 'v3', 'upload']
    const request = { method: 'POST' as const, path, query: { filename }, file: bytes }
    const { content_uri } = await this.#api.ask(uploaded, request, signal)
    const caption = text === '' ? { body: filename } : textContent({ text, plain })
    const info = { mimetype: content_type, size: size_bytes }
    return { ...caption, msgtype: messageTypes[kind], filename, url: content_uri, info, 'm.mentions': {} }
  }
}

/** Nobody is called by it, whatever it says: it may have been written by a model that was talked into it. */
function textContent({ text, plain }: { text: string; plain: string }) {
  const room = maxContentBytes - Buffer.byteLength(JSON.stringify(text))
  const body = Buffer.byteLength(JSON.stringify(plain)) <= room ? plain : cut(plain, Math.floor(room / 2))
  return { msgtype: 'm.text', body, format: 'org.matrix.custom.html', formatted_body: text, 'm.mentions': {} }
}

/** A client that shows markup does not show this. */
function cut(plain: string, bytes: number): string {
  return `${Buffer.from(plain)
    .subarray(0, Math.max(0, bytes))
    .toString('utf8')
    .replace(/\uFFFD$/, '')}…`
}

function relationOf({ thread_id, reply_to }: Pick<Draft, 'thread_id' | 'reply_to'>) {
  const answered = eventId.safeParse(reply_to).data
  const thread = eventId.safeParse(thread_id).data
  if (thread === undefined) {
    return answered === undefined ? {} : { 'm.relates_to': { 'm.in_reply_to': { event_id: answered } } }
  }
  const fallback = { is_falling_back: answered === undefined, 'm.in_reply_to': { event_id: answered ?? thread } }
  return { 'm.relates_to': { rel_type: 'm.thread', event_id: thread, ...fallback } }
}

/** Ids come from the outbox, and there from whoever named a place to deliver to. */
export function checkedRoom(given: string): string {
  if (roomId.safeParse(given).success) return given
  throw new PlatformError('A Matrix room is named by its id', { code: 'invalid_chat', permanent: true })
}

function checkedEvent(given: string): string {
  if (eventId.safeParse(given).success) return given
  throw new PlatformError('A Matrix message is named by its id', { code: 'invalid_message', permanent: true })
}
