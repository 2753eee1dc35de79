import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerJson, bodyOf, failed, formOf } from './faults.ts'
import { LoopbackPlatform } from './loopback-platform.ts'
import { type Webhook, WebhookSender } from './webhook-sender.ts'

export interface SentTelegramMessage {
  message_id: number
  chat_id: number
  /** `sendMessage`, `sendPhoto` and so on. */
  method: string
  /** The text, or the caption of a file. */
  text: string
  /** The request as it came, JSON fields parsed. */
  params: Record<string, unknown>
  file: { filename: string; bytes: Buffer } | null
  /** Texts that it had before. */
  former: string[]
}

interface Answer {
  status: number
  body: Record<string, unknown>
}

type Params = Record<string, unknown>

export const telegramToken = '7000000001:AAfake-token_of-a-bot-for-tests-0001'
export const telegramBot = { id: 7_000_000_001, is_bot: true, first_name: 'Keel', username: 'Keel_Test_bot' }
export const telegramUser = { id: 200_000_001, is_bot: false, first_name: 'Ada', last_name: 'Byron', username: 'ada' }
/** A chat with a person has the person's id. */
export const telegramChat = { id: telegramUser.id, type: 'private', first_name: 'Ada', username: 'ada' }
export const telegramGroup = { id: -1_001_234_567_890, type: 'supergroup', title: 'The group' }

const firstUpdateId = 500_000_000
const maxTextUnits = 4_096
const maxFileBytes = 20 * 1024 * 1024
const fileFields = ['photo', 'audio', 'video', 'document', 'voice', 'animation']

/**
 * Telegram's Bot API on loopback, for one bot: long polling that forgets what an offset confirms, webhooks that are sent
 * again until they are taken, messages, edits, uploads and files. `events` tells of `request` (with the method), `sent`,
 * `edited`, `polling` (with the offset) and `delivered` (with the webhook's status). Faults go by the method; a
 * download's is `file`.
 */
export class FakeTelegram extends LoopbackPlatform {
  readonly sent: SentTelegramMessage[] = []
  readonly requests: { method: string; params: Params }[] = []
  /** Pressed buttons that were acknowledged. */
  readonly answers: { callback_query_id: string; text: string | null }[] = []
  readonly actions: { chat_id: number; action: string; message_thread_id: number | null }[] = []
  webhook: { url: string; secret_token: string | null; allowed_updates: string[] } | null = null
  /** Chats that have blocked or thrown out the bot. */
  readonly blocked = new Set<number>()
  readonly unknownChats = new Set<number>()
  /** Groups that have become supergroups, and their new ids. */
  readonly moved = new Map<number, number>()
  /** Says why a text in MarkdownV2 can not be read; null: it can. */
  markupFault: (text: string) => string | null = () => null
  readonly #files = new Map<string, { path: string; bytes: Buffer }>()
  readonly #closing = new AbortController()
  readonly #webhooks = new WebhookSender(
    () => this.#nextWebhook(),
    (status) => this.events.emit('delivered', status),
  )
  #pending: Record<string, unknown>[] = []
  #poll: AbortController | null = null
  #updateId = firstUpdateId
  #messageId = 1_000

  /** For `channels.telegram.api_url`. */
  get apiUrl(): string {
    return this.url
  }

  /** Updates that are not confirmed yet. */
  get pending(): readonly Record<string, unknown>[] {
    return this.#pending
  }

  /** The same with an error as Telegram tells it. */
  refuseNext(count: number, code: number, description: string, { only, parameters }: RefusalOptions = {}): void {
    const body = { ok: false, error_code: code, description, ...(parameters && { parameters }) }
    this.faults.next(count, { status: code, body }, only)
  }

  /** A file that people have sent, under the id that stands in their message. */
  hostFile(fileId: string, bytes: Buffer, path = `documents/${fileId}.bin`): void {
    this.#files.set(fileId, { path, bytes })
  }

  /** A person's message; fields given replace the usual ones. */
  say(text: string, fields: Record<string, unknown> = {}): Record<string, unknown> {
    return this.push({ message: this.message({ text, ...fields }) })
  }

  /** A message that nobody has been told of yet. */
  message(fields: Record<string, unknown>): Record<string, unknown> {
    this.#messageId += 1
    const date = Math.floor(Date.now() / 1_000)
    return { message_id: this.#messageId, from: telegramUser, chat: telegramChat, date, ...fields }
  }

  /** A button under a message is pressed. */
  press(data: string, fields: Record<string, unknown> = {}): Record<string, unknown> {
    const message = this.message({ from: telegramBot, text: 'Choose' })
    const id = `90000000000${this.#updateId + 1}`
    return this.push({ callback_query: { id, from: telegramUser, message, chat_instance: '1', data, ...fields } })
  }

  /** Any update, with an id of its own: kept until it is confirmed, or taken by the webhook. */
  push(update: Record<string, unknown>): Record<string, unknown> {
    this.#updateId += 1
    return this.pushRaw({ update_id: this.#updateId, ...update })
  }

  pushRaw(update: Record<string, unknown>): Record<string, unknown> {
    this.#pending.push(update)
    this.events.emit('pending')
    this.#webhooks.wake()
    return update
  }

  override async close(): Promise<void> {
    this.#closing.abort()
    this.#webhooks.stop()
    await super.close()
  }

  #nextWebhook(): Webhook | null {
    const [update] = this.#pending
    if (!this.webhook || !update) return null
    const { url, secret_token } = this.webhook
    const headers: Record<string, string> = {}
    if (secret_token !== null) headers['x-telegram-bot-api-secret-token'] = secret_token
    const taken = () => {
      this.#pending = this.#pending.filter((entry) => entry !== update)
    }
    return { url, headers, body: JSON.stringify(update), taken }
  }

  protected async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request)
    const { pathname } = new URL(request.url ?? '/', this.apiUrl)
    const filePrefix = `/file/bot${telegramToken}/`
    const prefix = `/bot${telegramToken}/`
    const isFile = pathname.startsWith(filePrefix)
    const known = isFile || pathname.startsWith(prefix)
    if (!known) return this.#answer(response, pathname.startsWith('/bot') ? refused(401, 'Unauthorized') : notFound)
    const method = isFile ? 'file' : pathname.slice(prefix.length)
    const { params, files } = isFile ? { params: {}, files: new Map() } : await readParams(request, body)
    this.requests.push({ method, params })
    const fault = this.faults.take(method)
    queueMicrotask(() => this.events.emit('request', method))
    if (failed(fault, request, response)) return
    if (isFile) return this.#download(response, pathname.slice(filePrefix.length))
    const answer = await this.#perform(method, params, files, response)
    if (fault === 'drop_after') request.socket.destroy()
    else this.#answer(response, answer)
  }

  #answer(response: ServerResponse, { status, body }: Answer): void {
    if (!response.destroyed) answerJson(response, status, body)
  }

  #download(response: ServerResponse, path: string): void {
    const file = [...this.#files.values()].find((entry) => entry.path === decodeURIComponent(path))
    if (!file) answerJson(response, 404, { ok: false, error_code: 404, description: 'Not Found' })
    else response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(file.bytes)
  }

  async #perform(method: string, params: Params, files: Files, response: ServerResponse): Promise<Answer> {
    if (method === 'getMe') return done(telegramBot)
    if (method === 'getUpdates') return this.#updates(params, response)
    if (method === 'setWebhook') return this.#setWebhook(params)
    if (method === 'deleteWebhook') {
      this.webhook = null
      return done(true)
    }
    if (method === 'answerCallbackQuery') {
      const text = params.text === undefined ? null : String(params.text)
      this.answers.push({ callback_query_id: String(params.callback_query_id), text })
      return done(true)
    }
    if (method === 'getFile') return this.#fileInfo(String(params.file_id))
    if (method === 'editMessageText') return this.#edit(params)
    const chatId = Number(params.chat_id)
    const refusal = this.#chatRefusal(chatId)
    if (refusal) return refusal
    if (method === 'sendChatAction') {
      const thread = params.message_thread_id === undefined ? null : Number(params.message_thread_id)
      this.actions.push({ chat_id: chatId, action: String(params.action), message_thread_id: thread })
      return done(true)
    }
    return method.startsWith('send') ? this.#send(method, chatId, params, files) : notFound
  }

  #chatRefusal(chatId: number): Answer | null {
    const migrate_to_chat_id = this.moved.get(chatId)
    if (migrate_to_chat_id !== undefined) {
      const message = 'Bad Request: group chat was upgraded to a supergroup chat'
      return refused(400, message, { migrate_to_chat_id })
    }
    if (this.blocked.has(chatId)) return refused(403, 'Forbidden: bot was blocked by the user')
    if (!Number.isInteger(chatId) || this.unknownChats.has(chatId)) return refused(400, 'Bad Request: chat not found')
    return null
  }

  async #updates(params: Params, response: ServerResponse): Promise<Answer> {
    if (this.webhook) return refused(409, `Conflict: can't use getUpdates method while webhook is active`)
    this.#poll?.abort()
    const poll = new AbortController()
    this.#poll = poll
    const { offset = 0, limit = 100, timeout = 0 } = params as { offset?: number; limit?: number; timeout?: number }
    const allowed = Array.isArray(params.allowed_updates) ? params.allowed_updates : []
    this.#pending = this.#pending.filter(({ update_id }) => !(Number(update_id) < offset))
    if (allowed.length > 0) {
      this.#pending = this.#pending.filter((update) => isAllowed(update, allowed))
    }
    this.events.emit('polling', offset)
    response.once('close', () => poll.abort())
    const end = AbortSignal.any([poll.signal, this.#closing.signal, AbortSignal.timeout(timeout * 1_000)])
    while (this.#pending.length === 0 && !end.aborted)
      await once(this.events, 'pending', { signal: end }).catch(() => {})
    if (this.#poll === poll) this.#poll = null
    else return refused(409, 'Conflict: terminated by other getUpdates request')
    return done(this.#pending.slice(0, limit))
  }

  #setWebhook({ url, secret_token, allowed_updates }: Params): Answer {
    if (secret_token !== undefined && !/^[\w-]{1,256}$/.test(String(secret_token))) {
      return refused(400, 'Bad Request: secret token contains unallowed characters')
    }
    this.webhook = {
      url: String(url),
      secret_token: secret_token === undefined ? null : String(secret_token),
      allowed_updates: (allowed_updates ?? []) as string[],
    }
    this.#webhooks.wake()
    return done(true)
  }

  #fileInfo(fileId: string): Answer {
    const file = this.#files.get(fileId)
    if (!file) return refused(400, 'Bad Request: wrong file_id or the file is temporarily unavailable')
    if (file.bytes.byteLength > maxFileBytes) return refused(400, 'Bad Request: file is too big')
    const { path, bytes } = file
    return done({ file_id: fileId, file_unique_id: fileId, file_size: bytes.byteLength, file_path: path })
  }

  #send(method: string, chatId: number, params: Params, files: Files): Answer {
    const text = String((method === 'sendMessage' ? params.text : params.caption) ?? '')
    if (method === 'sendMessage' && text === '') return refused(400, 'Bad Request: message text is empty')
    const fault = this.#textFault(text, params)
    if (fault) return fault
    const field = fileFields.find((name) => params[name] !== undefined)
    const file = field ? (files.get(String(params[field]).replace('attach://', '')) ?? null) : null
    if (method !== 'sendMessage' && !file) return refused(400, 'Bad Request: there is no file in the request')
    this.#messageId += 1
    const message = { message_id: this.#messageId, chat_id: chatId, method, text, params, file, former: [] }
    this.sent.push(message)
    queueMicrotask(() => this.events.emit('sent', message))
    return done(this.#asMessage(message))
  }

  #edit(params: Params): Answer {
    const chatId = Number(params.chat_id)
    const refusal = this.#chatRefusal(chatId)
    if (refusal) return refusal
    const message = this.sent.find((entry) => entry.message_id === params.message_id && entry.chat_id === chatId)
    if (!message) return refused(400, 'Bad Request: message to edit not found')
    const text = String(params.text ?? '')
    const fault = this.#textFault(text, params)
    if (fault) return fault
    if (message.text === text && shownAs(message.params) === shownAs(params)) {
      return refused(400, 'Bad Request: message is not modified: specified new message content is the same')
    }
    message.former.push(message.text)
    message.text = text
    message.params = { ...message.params, reply_markup: undefined, parse_mode: undefined, ...params }
    queueMicrotask(() => this.events.emit('edited', message))
    return done(this.#asMessage(message))
  }

  #textFault(text: string, { parse_mode }: Params): Answer | null {
    if (parse_mode !== undefined && parse_mode !== 'MarkdownV2')
      return refused(400, 'Bad Request: unsupported parse_mode')
    const fault = parse_mode === undefined ? null : this.markupFault(text)
    if (fault !== null) return refused(400, `Bad Request: can't parse entities: ${fault}`)
    // With markup the limit is of what is shown.
    if (parse_mode === undefined && text.length > maxTextUnits) return refused(400, 'Bad Request: message is too long')
    return null
  }

  #asMessage({ message_id, chat_id, text }: SentTelegramMessage): Record<string, unknown> {
    const chat = { id: chat_id, type: chat_id > 0 ? 'private' : 'supergroup' }
    return { message_id, from: telegramBot, chat, date: Math.floor(Date.now() / 1_000), text }
  }
}

interface RefusalOptions {
  only?: RegExp
  parameters?: Record<string, unknown>
}

type Files = Map<string, { filename: string; bytes: Buffer }>

function done(result: unknown): Answer {
  return { status: 200, body: { ok: true, result } }
}

function refused(code: number, description: string, parameters?: Record<string, unknown>): Answer {
  return { status: code, body: { ok: false, error_code: code, description, ...(parameters && { parameters }) } }
}

const notFound = refused(404, 'Not Found')

function isAllowed(update: Record<string, unknown>, allowed: readonly unknown[]): boolean {
  const kinds = Object.keys(update).filter((key) => key !== 'update_id')
  return kinds.length === 0 || kinds.some((kind) => allowed.includes(kind))
}

function shownAs({ parse_mode, reply_markup }: Params): string {
  return JSON.stringify([parse_mode ?? null, reply_markup ?? null])
}

async function readParams(request: IncomingMessage, body: Buffer): Promise<{ params: Params; files: Files }> {
  const files: Files = new Map()
  if (!request.headers['content-type']?.startsWith('multipart/')) {
    return { params: body.byteLength === 0 ? {} : (JSON.parse(body.toString()) as Params), files }
  }
  const params: Params = {}
  for (const [name, value] of await formOf(request, body)) {
    if (typeof value === 'string') params[name] = /^[[{]/.test(value) ? JSON.parse(value) : value
    else files.set(name, { filename: value.name, bytes: Buffer.from(await value.arrayBuffer()) })
  }
  return { params, files }
}
