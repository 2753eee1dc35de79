import { z } from 'zod'
import type { MessageButton, OutboundAttachment } from '#sdk/channels/message.ts'
import { platforms } from '#sdk/channels/platforms.ts'
import type { AdapterHost, OutboundPart } from '../../adapter.ts'
import { PlatformError } from '../../platform-error.ts'
import { type GraphApi, graphId } from './api.ts'
import { uploadForm } from './upload.ts'

/** Of a message with buttons. */
const most = { buttons: 3, labelLength: 20, textLength: 1_024 } as const
const waNumber = /^\+?(\d{5,20})$/
const imageTypes = new Set(['image/jpeg', 'image/png'])
const maxImageBytes = 5 * 1024 * 1024
const audioTypes = new Set(['audio/aac', 'audio/amr', 'audio/mpeg', 'audio/mp4', 'audio/ogg'])
const videoTypes = new Set(['video/mp4', 'video/3gpp'])

const accepted = z.object({ messages: z.array(z.object({ id: z.string().min(1).max(512) })).min(1) })
const uploaded = z.object({ id: graphId })
const done = z.object({ success: z.boolean() })

type FileKind = 'image' | 'audio' | 'video' | 'document'

/** What is said on WhatsApp. Previews of links are off: to make one Meta would fetch the address. */
export class WhatsappOutbox {
  readonly #api: GraphApi
  readonly #host: AdapterHost
  readonly #phoneNumberId: string

  constructor(api: GraphApi, host: AdapterHost, phoneNumberId: string) {
    this.#api = api
    this.#host = host
    this.#phoneNumberId = phoneNumberId
  }

  async send(part: OutboundPart, signal: AbortSignal): Promise<{ message_id: string | null }> {
    const [, to] = waNumber.exec(part.chat_id) ?? []
    if (to === undefined) {
      const message = 'Who is written to on WhatsApp is named by a phone number'
      throw new PlatformError(message, { code: 'invalid_chat', permanent: true })
    }
    const context = part.reply_to === null ? {} : { context: { message_id: part.reply_to } }
    const body = part.file ? await this.#fileBody(part.text, part.file, signal) : textBody(part)
    const content = { messaging_product: 'whatsapp', recipient_type: 'individual', to, ...context, ...body }
    const { messages } = await this.#api.ask(accepted, { ...this.#messages, content }, signal)
    return { message_id: messages[0]?.id ?? null }
  }

  /** Marks what is being answered as read: WhatsApp shows both or neither. */
  async typing(messageId: string, signal: AbortSignal): Promise<void> {
    const typing_indicator = { type: 'text' }
    const content = { messaging_product: 'whatsapp', status: 'read', message_id: messageId, typing_indicator }
    await this.#api.ask(done, { ...this.#messages, content }, signal)
  }

  get #messages() {
    return { method: 'POST' as const, path: [this.#phoneNumberId, 'messages'] }
  }

  async #fileBody(caption: string, file: NonNullable<OutboundPart['file']>, signal: AbortSignal) {
    const { filename, content_type, size_bytes } = file.about
    const mostBytes = platforms.whatsapp.fileBytes
    if (size_bytes > mostBytes) {
      const message = `WhatsApp takes no file of more than ${mostBytes} bytes`
      throw new PlatformError(message, { code: 'file_too_large', permanent: true })
    }
    const form = uploadForm(
      { messaging_product: 'whatsapp', type: content_type },
      { filename, contentType: content_type, sizeBytes: size_bytes, bytes: this.#host.readFile(file) },
    )
    const path = [this.#phoneNumberId, 'media']
    const { id } = await this.#api.ask(uploaded, { method: 'POST', path, form }, signal)
    const type = kindOf(file.about, caption)
    const named = type === 'document' ? { filename } : {}
    return { type, [type]: { id, ...named, ...(caption !== '' && { caption }) } }
  }
}

function textBody({ text, buttons }: OutboundPart) {
  if (buttons.length > 0 && fitsButtons(text, buttons)) {
    const choices = buttons.map(({ label, value }) => ({ type: 'reply', reply: { id: value, title: titleOf(label) } }))
    return { type: 'interactive', interactive: { type: 'button', body: { text }, action: { buttons: choices } } }
  }
  const choices = buttons.map(({ label, value }) => `• ${label}: ${value}`).join('\n')
  const listed = `${text}\n\n${choices}`
  const fits = choices !== '' && lengthOf(listed) <= platforms.whatsapp.text.most
  return { type: 'text', text: { body: fits ? listed : text, preview_url: false } }
}

/** WhatsApp takes few buttons, with short titles that differ, under a short text. */
function fitsButtons(text: string, buttons: readonly MessageButton[]): boolean {
  const titles = new Set(buttons.map(({ label }) => titleOf(label)))
  const few = buttons.length <= most.buttons && titles.size === buttons.length
  return few && text !== '' && lengthOf(text) <= most.textLength
}

function titleOf(label: string): string {
  return [...label].slice(0, most.labelLength).join('')
}

function lengthOf(text: string): number {
  return [...text].length
}

/** What WhatsApp does not show or play is a document; so is a recording with a caption, which it would not show. */
function kindOf({ content_type, size_bytes }: OutboundAttachment, caption: string): FileKind {
  if (imageTypes.has(content_type) && size_bytes <= maxImageBytes) return 'image'
  if (audioTypes.has(content_type) && caption === '') return 'audio'
  return videoTypes.has(content_type) ? 'video' : 'document'
}
