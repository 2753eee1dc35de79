import { InputFile } from 'grammy'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import type { ChatAddress, MessageButton, OutboundAttachment } from '#sdk/channels/message.ts'
import { platforms } from '#sdk/channels/platforms.ts'
import type { Adapter, AdapterHost, OutboundPart } from '../../adapter.ts'
import { PlatformError } from '../../platform-error.ts'
import { read, type TelegramApi, TelegramRefusal } from './api.ts'

const maxMoves = 1_000
const buttonsPerRow = 2
const maxPhotoBytes = 10 * 1024 * 1024
/** What Telegram shows as a picture, plays as music or plays as a video; all else is a document. */
const photoTypes = new Set(['image/jpeg', 'image/png', 'image/webp'])
const audioTypes = new Set(['audio/mpeg', 'audio/mp4', 'audio/x-m4a'])
const videoTypes = new Set(['video/mp4'])
const messageNumber = /^\d{1,15}$/
const chatNumber = /^-?\d{1,15}$/

const sent = z.object({ message_id: z.number().int().min(0) })

type Draft = Parameters<NonNullable<Adapter['draft']>>[0]
type Written = { text: string; parse_mode?: 'MarkdownV2' }
type FileKind = 'photo' | 'audio' | 'video' | 'document'

/** What is said on Telegram. Previews of links are off: to make one Telegram would fetch the address. */
export class TelegramOutbox {
  readonly #api: TelegramApi
  readonly #host: AdapterHost
  /** Groups that have become supergroups, and their new ids. */
  readonly #moves = new LRUCache<string, number>({ max: maxMoves })

  constructor(api: TelegramApi, host: AdapterHost) {
    this.#api = api
    this.#host = host
  }

  send(part: OutboundPart, signal: AbortSignal): Promise<{ message_id: string }> {
    return this.#inChat(part.chat_id, async (chat) => {
      if (part.file) return this.#sendFile(chat, part, part.file, signal)
      const { text, plain, replaces } = part
      const reply_markup = keyboardOf(part.buttons)
      if (replaces !== null) {
        const edited = await this.#replace(chat, replaces, { text, plain, reply_markup }, signal)
        if (edited) return { message_id: replaces }
      }
      return this.#sendText(chat, { ...part, reply_markup }, signal)
    })
  }

  draft(draft: Draft, signal: AbortSignal): Promise<{ message_id: string }> {
    return this.#inChat(draft.chat_id, async (chat) => {
      const { message_id } = draft
      if (message_id === null) return this.#sendText(chat, draft, signal)
      await this.#edit(chat, message_id, draft, signal)
      return { message_id }
    })
  }

  async typing({ chat_id, thread_id }: ChatAddress, signal: AbortSignal): Promise<void> {
    await this.#inChat(chat_id, (chat) =>
      this.#api.ask((telegram, end) => telegram.sendChatAction(chat, 'typing', threadOf(thread_id), end), signal),
    )
  }

  /** Where a group has become a supergroup, the same is done there. */
  async #inChat<T>(chatId: string, act: (chat: number) => Promise<T>): Promise<T> {
    try {
      return await act(this.#moves.get(chatId) ?? numberOf(chatId, chatNumber, 'chat'))
    } catch (thrown) {
      if (!(thrown instanceof TelegramRefusal) || thrown.movedTo === null) throw thrown
      this.#moves.set(chatId, thrown.movedTo)
      return await act(thrown.movedTo)
    }
  }

  async #sendText(
    chat: number,
    part: Pick<OutboundPart, 'text' | 'plain' | 'thread_id' | 'reply_to'> & { reply_markup?: Keyboard | undefined },
    signal: AbortSignal,
  ): Promise<{ message_id: string }> {
    const more = { ...threadOf(part.thread_id), ...replyTo(part.reply_to), ...markupOf(part.reply_markup) }
    const link_preview_options = { is_disabled: true }
    const answer = await plainlyIfRefused(part, ({ text, ...marked }) =>
      this.#api.ask(
        (telegram, end) => telegram.sendMessage(chat, text, { ...more, ...marked, link_preview_options }, end),
        signal,
      ),
    )
    return idOf(answer)
  }

  /** Whether the message could be changed; one that is gone, or too old for it, can not. */
  async #replace(
    chat: number,
    message: string,
    part: Pick<OutboundPart, 'text' | 'plain'> & { reply_markup: Keyboard | undefined },
    signal: AbortSignal,
  ): Promise<boolean> {
    try {
      await this.#edit(chat, message, part, signal)
      return true
    } catch (thrown) {
      if (isBadRequest(thrown)) return false
      throw thrown
    }
  }

  async #edit(
    chat: number,
    message: string,
    part: Pick<OutboundPart, 'text' | 'plain'> & { reply_markup?: Keyboard | undefined },
    signal: AbortSignal,
  ): Promise<void> {
    const id = numberOf(message, messageNumber, 'message')
    const more = { ...markupOf(part.reply_markup), link_preview_options: { is_disabled: true } }
    try {
      await plainlyIfRefused(part, ({ text, ...marked }) =>
        this.#api.ask((telegram, end) => telegram.editMessageText(chat, id, text, { ...more, ...marked }, end), signal),
      )
    } catch (thrown) {
      // It says so already.
      if (!(thrown instanceof TelegramRefusal && thrown.unchanged)) throw thrown
    }
  }

  async #sendFile(
    chat: number,
    part: OutboundPart,
    file: NonNullable<OutboundPart['file']>,
    signal: AbortSignal,
  ): Promise<{ message_id: string }> {
    const most = platforms.telegram.fileBytes
    if (file.about.size_bytes > most) {
      const message = `Telegram takes no file of more than ${most} bytes`
      throw new PlatformError(message, { code: 'file_too_large', permanent: true })
    }
    const more = { ...threadOf(part.thread_id), ...replyTo(part.reply_to), ...markupOf(keyboardOf(part.buttons)) }
    const write = (kind: FileKind, { text, ...marked }: Written) =>
      this.#api.ask<unknown>((telegram, end) => {
        const upload = new InputFile(this.#host.readFile(file), quoted(file.about.filename))
        const other = { ...more, ...(text !== '' && { caption: text, ...marked }) }
        if (kind === 'photo') return telegram.sendPhoto(chat, upload, other, end)
        if (kind === 'audio') return telegram.sendAudio(chat, upload, other, end)
        if (kind === 'video') return telegram.sendVideo(chat, upload, other, end)
        return telegram.sendDocument(chat, upload, other, end)
      }, signal)
    const kind = kindOf(file.about)
    try {
      return idOf(await plainlyIfRefused(part, (written) => write(kind, written)))
    } catch (thrown) {
      // Telegram is particular about what it shows or plays, and takes anything as a document.
      if (kind === 'document' || !isBadRequest(thrown)) throw thrown
      return idOf(await write('document', { text: part.plain }))
    }
  }
}

/**
 * For markup that it can not read Telegram has no code of its own: what it refuses with markup is written once more
 * without. What it then refuses is refused for good.
 */
async function plainlyIfRefused<T>(
  { text, plain }: { text: string; plain: string },
  write: (written: Written) => Promise<T>,
): Promise<T> {
  if (text === '') return write({ text })
  try {
    return await write({ text, parse_mode: 'MarkdownV2' })
  } catch (thrown) {
    if (!isBadRequest(thrown) || thrown.unchanged) throw thrown
    return write({ text: plain })
  }
}

/** A refusal of this request as it is; a move to another chat is none. */
function isBadRequest(thrown: unknown): thrown is TelegramRefusal {
  return thrown instanceof TelegramRefusal && thrown.status === 400 && thrown.movedTo === null
}

function idOf(answer: unknown): { message_id: string } {
  return { message_id: String(read(sent, answer).message_id) }
}

/** Ids come from the outbox, and there from whoever named a place to deliver to. */
function numberOf(text: string, shape: RegExp, what: 'chat' | 'message' | 'thread'): number {
  if (shape.test(text)) return Number(text)
  throw new PlatformError(`A Telegram ${what} is named by its number`, { code: `invalid_${what}`, permanent: true })
}

function threadOf(thread: string | null): { message_thread_id?: number } {
  return thread === null ? {} : { message_thread_id: numberOf(thread, messageNumber, 'thread') }
}

function replyTo(message: string | null) {
  if (message === null || !messageNumber.test(message)) return {}
  return { reply_parameters: { message_id: Number(message), allow_sending_without_reply: true } }
}

type Keyboard = ReturnType<typeof keyboardOf>

function keyboardOf(buttons: readonly MessageButton[]) {
  if (buttons.length === 0) return undefined
  const row = (from: number) =>
    buttons.slice(from, from + buttonsPerRow).map(({ label, value }) => ({ text: label, callback_data: value }))
  const rows = Math.ceil(buttons.length / buttonsPerRow)
  return { inline_keyboard: Array.from({ length: rows }, (_, index) => row(index * buttonsPerRow)) }
}

function markupOf(reply_markup: Keyboard): { reply_markup?: NonNullable<Keyboard> } {
  return reply_markup ? { reply_markup } : {}
}

function kindOf({ content_type, size_bytes }: OutboundAttachment): FileKind {
  if (photoTypes.has(content_type)) return size_bytes <= maxPhotoBytes ? 'photo' : 'document'
  if (audioTypes.has(content_type)) return 'audio'
  return videoTypes.has(content_type) ? 'video' : 'document'
}

/** The library puts a file's name into the head of its part as it is, without quotes of its own. */
function quoted(filename: string): string {
  return `"${filename.replace(/\p{Cc}/gu, '').replaceAll('"', '%22')}"`
}
