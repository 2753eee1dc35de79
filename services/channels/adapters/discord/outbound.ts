import { createHash } from 'node:crypto'
import type { RawFile, RouteLike } from '@discordjs/rest'
import { z } from 'zod'
import type { MessageButton } from '#sdk/channels/message.ts'
import { platforms } from '#sdk/channels/platforms.ts'
import type { Adapter, AdapterHost, OutboundPart } from '../../adapter.ts'
import { PlatformError } from '../../platform-error.ts'
import { readBounded } from '../../read-bounded.ts'
import { type DiscordApi, read } from './api.ts'
import { snowflake } from './inbound.ts'

const nonceLength = 25
const buttonsPerRow = 5
const suppressEmbeds = 4
const messageIsGone = '10008'
/** Whatever the text says, nobody is called by it: it may have been written by a model that was talked into it. */
const noMentions = { parse: [], replied_user: false }

const created = z.object({ id: snowflake })

type Draft = Parameters<NonNullable<Adapter['draft']>>[0]

/** What is said on Discord. Previews of links are off: to make one Discord would fetch the address. */
export class DiscordOutbox {
  readonly #api: DiscordApi
  readonly #host: AdapterHost

  constructor(api: DiscordApi, host: AdapterHost) {
    this.#api = api
    this.#host = host
  }

  /** Ids come from the outbox, and there from whoever named a place to deliver to. */
  route(channel: string, rest: `/${string}`): RouteLike {
    if (snowflake.safeParse(channel).success) return `/channels/${channel}${rest}`
    throw new PlatformError('A Discord channel is named by its number', { code: 'invalid_chat', permanent: true })
  }

  async send(part: OutboundPart, signal: AbortSignal): Promise<{ message_id: string }> {
    const channel = part.thread_id ?? part.chat_id
    const files = part.file ? [await this.#readFile(part.file)] : []
    const content = { ...contentOf(part.text), components: rowsOf(part.buttons) }
    if (part.replaces !== null) {
      try {
        return await this.#write('PATCH', this.#messageRoute(channel, part.replaces), content, files, signal)
      } catch (thrown) {
        // Somebody has deleted what was to be replaced; the answer is said all the same.
        if (!(thrown instanceof PlatformError && thrown.code === messageIsGone)) throw thrown
      }
    }
    const body = { ...content, ...replyTo(part.reply_to), nonce: nonceOf(part.key), enforce_nonce: true }
    return this.#write('POST', this.route(channel, '/messages'), body, files, signal)
  }

  async draft({ chat_id, thread_id, text, message_id, reply_to }: Draft, signal: AbortSignal) {
    const channel = thread_id ?? chat_id
    if (message_id !== null) {
      return this.#write('PATCH', this.#messageRoute(channel, message_id), contentOf(text), [], signal)
    }
    return this.#write(
      'POST',
      this.route(channel, '/messages'),
      { ...contentOf(text), ...replyTo(reply_to) },
      [],
      signal,
    )
  }

  #messageRoute(channel: string, message: string): RouteLike {
    if (snowflake.safeParse(message).success) return this.route(channel, `/messages/${message}`)
    throw new PlatformError('A Discord message is named by its number', { code: 'invalid_message', permanent: true })
  }

  async #write(method: 'POST' | 'PATCH', route: RouteLike, body: object, files: RawFile[], signal: AbortSignal) {
    const { id } = read(created, await this.#api.request({ method, route, body, files, signal }))
    return { message_id: id }
  }

  async #readFile(file: NonNullable<OutboundPart['file']>): Promise<RawFile> {
    const { filename, content_type } = file.about
    const data = await readBounded(this.#host.readFile(file), platforms.discord.fileBytes)
    return { name: filename, data, contentType: content_type }
  }
}

function contentOf(text: string) {
  return { content: text, allowed_mentions: noMentions, flags: suppressEmbeds }
}

function replyTo(message: string | null) {
  if (message === null || !snowflake.safeParse(message).success) return {}
  return { message_reference: { message_id: message, fail_if_not_exists: false } }
}

/** Discord shows messages of one nonce once, for some minutes. */
function nonceOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url').slice(0, nonceLength)
}

function rowsOf(buttons: readonly MessageButton[]) {
  const row = (from: number) => ({
    type: 1,
    components: buttons
      .slice(from, from + buttonsPerRow)
      .map(({ label, value }) => ({ type: 2, style: 2, label, custom_id: value })),
  })
  return Array.from({ length: Math.ceil(buttons.length / buttonsPerRow) }, (_, index) => row(index * buttonsPerRow))
}
