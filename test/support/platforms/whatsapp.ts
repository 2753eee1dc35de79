import { createHmac } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerJson, bodyOf, failed, formOf } from './faults.ts'
import { LoopbackPlatform } from './loopback-platform.ts'
import { type Webhook, WebhookSender } from './webhook-sender.ts'

type Fields = Record<string, unknown>

export interface SentWhatsappMessage {
  id: string
  to: string
  type: string
  /** The text, the body above buttons, or the caption of a file. */
  text: string
  /** The request as it came. */
  body: Fields
  file: WhatsappUpload | null
}

export interface WhatsappUpload {
  filename: string
  content_type: string
  bytes: Buffer
  /** The form's own fields. */
  fields: Record<string, string>
  /** How long the request said that it was. */
  content_length: number | null
}

export interface WhatsappError {
  code: number
  message?: string
  is_transient?: boolean
}

export const whatsappToken = 'EAAfakeWhatsappTokenOfTests0001'
export const whatsappPhoneId = '106540352242922'
export const whatsappAppSecret = 'app-secret-of-tests'
export const whatsappVerifyToken = 'verify-token-of-tests'
/** Who writes, where nothing else is said. */
export const whatsappPerson = '447700900123'

const maxTextLength = 4_096
const maxInteractiveLength = 1_024

/**
 * WhatsApp's Cloud API on loopback, for one phone number: messages, uploads, media in two steps, and webhooks that are
 * signed and sent again until they are taken. `events` tells of `request` (with the path), `sent`, `read` and `delivered`
 * (with the webhook's status).
 */
export class FakeWhatsapp extends LoopbackPlatform {
  readonly sent: SentWhatsappMessage[] = []
  /** `METHOD /path`, without the version. */
  readonly requests: string[] = []
  /** Messages that were marked as read, and whether typing was shown. */
  readonly reads: { message_id: string; typing: boolean }[] = []
  /** Bodies of all webhooks, sent or not. */
  readonly pushed: string[] = []
  /** Where webhooks go; null: nowhere yet. Set by `subscribe`. */
  webhookUrl: string | null = null
  /** The host that media are said to be at; null: this one. */
  mediaOrigin: string | null = null
  readonly #media = new Map<string, { bytes: Buffer; contentType: string }>()
  readonly #uploads = new Map<string, WhatsappUpload>()
  readonly #webhooks = new WebhookSender(
    () => this.#nextWebhook(),
    (status) => this.events.emit('delivered', status),
  )
  readonly #undelivered: string[] = []
  #count = 0

  /** For `channels.whatsapp.api_url`. */
  get apiUrl(): string {
    return `${this.url}/v21.0`
  }

  /** The same with an error as the Graph API tells it. */
  refuseNext(count: number, status: number, error: WhatsappError, only?: RegExp): void {
    const body = { error: { message: 'Refused', type: 'OAuthException', fbtrace_id: 'x', ...error } }
    this.faults.next(count, { status, body }, only)
  }

  /** A file that people have sent, under the id that stands in their message. */
  hostMedia(id: string, bytes: Buffer, contentType: string): void {
    this.#media.set(id, { bytes, contentType })
  }

  /** As Meta verifies the address of a webhook; whether it is then used. */
  async subscribe(url: string, verifyToken = whatsappVerifyToken): Promise<boolean> {
    const challenge = '1158201444'
    const query = { 'hub.mode': 'subscribe', 'hub.verify_token': verifyToken, 'hub.challenge': challenge }
    const answer = await fetch(`${url}?${new URLSearchParams(query)}`)
    if ((await answer.text()) !== challenge || answer.status !== 200) return false
    this.webhookUrl = url
    this.#webhooks.wake()
    return true
  }

  /** A person's text message; fields given replace the usual ones. Returns the webhook's body. */
  say(body: string, fields: Fields = {}): string {
    return this.push({ messages: [this.message({ type: 'text', text: { body }, ...fields })] })
  }

  /** A message that nobody has been told of yet. */
  message(fields: Fields): Fields {
    this.#count += 1
    const timestamp = String(Math.floor(Date.now() / 1_000))
    return { from: whatsappPerson, id: `wamid.in.${this.#count}`, timestamp, ...fields }
  }

  /** A button of Keel's is pressed. */
  press(id: string, title = 'Yes', fields: Fields = {}): string {
    const interactive = { type: 'button_reply', button_reply: { id, title } }
    const context = { from: '15550783881', id: this.sent.at(-1)?.id ?? 'wamid.out.0' }
    return this.push({ messages: [this.message({ type: 'interactive', context, interactive, ...fields })] })
  }

  /** What became of a message that was sent. */
  report(id: string, status: string, errors?: { code: number; title: string }[]): string {
    const timestamp = String(Math.floor(Date.now() / 1_000))
    return this.push({ statuses: [{ id, status, timestamp, recipient_id: whatsappPerson, ...(errors && { errors }) }] })
  }

  /** One change of this number, in a webhook of its own. */
  push(value: Fields): string {
    return this.pushBody({
      object: 'whatsapp_business_account',
      entry: [{ id: '102290129340398', changes: [this.change(value)] }],
    })
  }

  change(value: Fields): Fields {
    const metadata = { display_phone_number: '15550783881', phone_number_id: whatsappPhoneId }
    const contacts = [{ profile: { name: 'Ada' }, wa_id: whatsappPerson }]
    return { field: 'messages', value: { messaging_product: 'whatsapp', metadata, contacts, ...value } }
  }

  /** Any body, signed. */
  pushBody(body: unknown): string {
    const text = JSON.stringify(body)
    this.pushed.push(text)
    this.#undelivered.push(text)
    this.#webhooks.wake()
    return text
  }

  override async close(): Promise<void> {
    this.#webhooks.stop()
    await super.close()
  }

  #nextWebhook(): Webhook | null {
    const [body] = this.#undelivered
    if (this.webhookUrl === null || body === undefined) return null
    const signature = createHmac('sha256', whatsappAppSecret).update(body).digest('hex')
    const headers = { 'x-hub-signature-256': `sha256=${signature}` }
    return { url: this.webhookUrl, headers, body, taken: () => this.#undelivered.shift() }
  }

  protected async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request)
    const { pathname } = new URL(request.url ?? '/', this.apiUrl)
    const path = pathname.replace(/^\/v21\.0/, '')
    this.requests.push(`${request.method} ${path}`)
    const fault = this.faults.take(path)
    queueMicrotask(() => this.events.emit('request', path))
    if (failed(fault, request, response)) return
    if (request.headers.authorization !== `Bearer ${whatsappToken}`) {
      const message = 'Invalid OAuth access token - Cannot parse access token'
      return answerJson(response, 401, { error: { message, type: 'OAuthException', code: 190 } })
    }
    if (path.startsWith('/whatsapp_business/attachments/'))
      return this.#download(response, path.split('/').at(-1) ?? '')
    const { status, answer } = await this.#answer(request, path, body)
    if (fault === 'drop_after') request.socket.destroy()
    else answerJson(response, status, answer)
  }

  #download(response: ServerResponse, id: string): void {
    const media = this.#media.get(id)
    if (!media) answerJson(response, 404, 'Not found')
    else response.writeHead(200, { 'content-type': media.contentType }).end(media.bytes)
  }

  async #answer(request: IncomingMessage, path: string, body: Buffer): Promise<Answer> {
    if (request.method === 'GET') return path === `/${whatsappPhoneId}` ? ok(ownNumber) : this.#mediaInfo(path.slice(1))
    if (path === `/${whatsappPhoneId}/media`) return this.#upload(request, body)
    if (path !== `/${whatsappPhoneId}/messages`) return refused(400, 100, 'Unsupported post request')
    const given = JSON.parse(body.toString()) as Fields
    if (given.messaging_product !== 'whatsapp') return refused(400, 100, 'messaging_product is missing')
    if (given.status === 'read') {
      this.reads.push({ message_id: String(given.message_id), typing: given.typing_indicator !== undefined })
      this.events.emit('read')
      return ok({ success: true })
    }
    return this.#send(given)
  }

  #mediaInfo(id: string): Answer {
    const media = this.#media.get(id)
    if (!media) return refused(400, 100, 'Unsupported get request. Object does not exist')
    const url = `${this.mediaOrigin ?? this.url}/whatsapp_business/attachments/${id}`
    const about = { url, mime_type: media.contentType, sha256: 'x', file_size: media.bytes.byteLength, id }
    return ok({ messaging_product: 'whatsapp', ...about })
  }

  async #upload(request: IncomingMessage, body: Buffer): Promise<Answer> {
    const fields: Record<string, string> = {}
    let file: File | null = null
    for (const [name, value] of await formOf(request, body)) {
      if (typeof value === 'string') fields[name] = value
      else file = value
    }
    if (!file || fields.messaging_product !== 'whatsapp') return refused(400, 100, 'The file is missing')
    this.#count += 1
    const id = `900${this.#count}`
    const length = request.headers['content-length']
    this.#uploads.set(id, {
      filename: file.name,
      content_type: file.type,
      bytes: Buffer.from(await file.arrayBuffer()),
      fields,
      content_length: length === undefined ? null : Number(length),
    })
    return ok({ id })
  }

  #send(given: Fields): Answer {
    const type = String(given.type ?? 'text')
    const content = (given[type] ?? {}) as { body?: unknown; id?: string; caption?: string }
    const text = type === 'interactive' ? (content.body as { text?: string })?.text : (content.body ?? content.caption)
    const limit = type === 'interactive' ? maxInteractiveLength : maxTextLength
    const fault = contentFault(type, content, String(text ?? ''), limit)
    if (fault) return refused(400, 100, `(#100) ${fault}`)
    const file = content.id === undefined ? null : (this.#uploads.get(content.id) ?? null)
    if (content.id !== undefined && !file) return refused(400, 131053, 'Media upload error')
    this.#count += 1
    const id = `wamid.out.${this.#count}`
    this.sent.push({ id, to: String(given.to), type, text: String(text ?? ''), body: given, file })
    queueMicrotask(() => this.events.emit('sent'))
    const contacts = [{ input: String(given.to), wa_id: String(given.to) }]
    return ok({ messaging_product: 'whatsapp', contacts, messages: [{ id }] })
  }
}

interface Answer {
  status: number
  answer: unknown
}

const ownNumber = { id: whatsappPhoneId, display_phone_number: '+1 555-078-3881', verified_name: 'Keel' }

function contentFault(type: string, content: Fields, text: string, limit: number): string | null {
  if ((type === 'text' || type === 'interactive') && text === '') return 'The body is empty'
  if ([...text].length > limit) return 'The body is too long'
  if (type === 'audio' && content.caption !== undefined) return 'Audio has no caption'
  if (type !== 'interactive') return null
  const { buttons = [] } = content.action as { buttons?: { reply: { id: string; title: string } }[] }
  const titles = buttons.map(({ reply }) => reply.title)
  if (buttons.length < 1 || buttons.length > 3) return 'One to three buttons'
  return new Set(titles).size < titles.length || titles.some((title) => [...title].length > 20) ? 'Titles' : null
}

function ok(answer: unknown): Answer {
  return { status: 200, answer }
}

function refused(status: number, code: number, message: string): Answer {
  return { status, answer: { error: { message, type: 'OAuthException', code, fbtrace_id: 'x' } } }
}
