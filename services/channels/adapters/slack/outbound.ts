import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { request } from 'undici'
import { z } from 'zod'
import type { MessageButton } from '#sdk/channels/message.ts'
import { isListedHost } from '#sdk/egress/host-list.ts'
import type { Adapter, AdapterHost, OutboundPart } from '../../adapter.ts'
import { PlatformError } from '../../platform-error.ts'
import { mediaHosts } from '../../platform-media.ts'
import type { SlackApi } from './api.ts'
import { slackId } from './inbound.ts'

/** Where Slack keeps files, and takes them. */
export const slackFileHosts = ['files.slack.com']

const messageIsGone = new Set(['message_not_found', 'cant_update_message', 'edit_window_closed'])

const posted = z.object({ ts: z.string() })
const uploadPlace = z.object({ upload_url: z.url(), file_id: z.string() })
const uploaded = z.object({ ok: z.literal(true) })

type Draft = Parameters<NonNullable<Adapter['draft']>>[0]
type Place = Pick<OutboundPart, 'chat_id' | 'thread_id'>

/**
 * What is said on Slack, by ids alone: a name may be another channel's tomorrow. Previews of links are off: to make one
 * Slack would fetch the address. An answer stays in the thread, or outside of one, where it was asked: a thread begun for
 * it would be another conversation.
 */
export class SlackOutbox {
  readonly #api: SlackApi
  readonly #host: AdapterHost

  constructor(api: SlackApi, host: AdapterHost) {
    this.#api = api
    this.#host = host
  }

  async send(part: OutboundPart, signal: AbortSignal): Promise<{ message_id: string | null }> {
    if (part.file) return this.#sendFile(part, part.file, signal)
    const message = { text: callingNobody(part.text), attachments: actionsOf(part.buttons) }
    if (part.replaces !== null) {
      try {
        return await this.#update(part.chat_id, part.replaces, message, signal)
      } catch (thrown) {
        // Somebody has deleted what was to be replaced; the answer is said all the same.
        if (!(thrown instanceof PlatformError && messageIsGone.has(thrown.code))) throw thrown
      }
    }
    return this.#post(part, { ...message, client_msg_id: messageKey(part.key) }, signal)
  }

  async draft(draft: Draft, signal: AbortSignal): Promise<{ message_id: string }> {
    const message = { text: callingNobody(draft.text) }
    if (draft.message_id === null) return this.#post(draft, message, signal)
    return this.#update(draft.chat_id, draft.message_id, message, signal)
  }

  async #post(place: Place, message: object, signal: AbortSignal): Promise<{ message_id: string }> {
    const params = { ...placeOf(place), ...message, unfurl_links: false, unfurl_media: false, link_names: false }
    const { ts } = await this.#api.call('chat.postMessage', params, posted, signal)
    return { message_id: ts }
  }

  async #update(chat: string, ts: string, message: object, signal: AbortSignal): Promise<{ message_id: string }> {
    const { channel } = placeOf({ chat_id: chat, thread_id: null })
    const answer = await this.#api.call('chat.update', { channel, ts, ...message, link_names: false }, posted, signal)
    return { message_id: answer.ts }
  }

  /** Slack makes the message later and says no id of it. */
  async #sendFile(part: OutboundPart, file: NonNullable<OutboundPart['file']>, signal: AbortSignal) {
    const { filename, size_bytes } = file.about
    const { channel, thread_ts } = placeOf(part)
    const place = { filename, length: size_bytes }
    const { upload_url, file_id } = await this.#api.call('files.getUploadURLExternal', place, uploadPlace, signal)
    await this.#upload(upload_url, file, signal)
    const comment = part.text === '' ? {} : { initial_comment: callingNobody(part.text) }
    const files = [{ id: file_id, title: filename }]
    const params = { files, channel_id: channel, ...(thread_ts && { thread_ts }), ...comment }
    await this.#api.call('files.completeUploadExternal', params, uploaded, signal)
    return { message_id: null }
  }

  async #upload(address: string, file: NonNullable<OutboundPart['file']>, signal: AbortSignal): Promise<void> {
    const url = new URL(address)
    if (!isListedHost(url, mediaHosts(slackFileHosts, this.#host))) {
      throw new PlatformError(`Files are not taken to ${url.host}`, { code: 'upload_host', permanent: true })
    }
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(file.about.size_bytes) }
    const body = Readable.from(this.#host.readFile(file), { objectMode: false })
    const answer = await request(url, { method: 'POST', headers, body, signal })
    await answer.body.dump()
    const { statusCode } = answer
    if (statusCode !== 200) {
      throw new PlatformError(`Slack did not take the file: HTTP ${statusCode}`, {
        code: `http_${statusCode}`,
        permanent: false,
      })
    }
  }
}

const place = z.object({ channel: slackId, thread_ts: z.string().optional() })

function placeOf({ chat_id, thread_id }: Place): z.infer<typeof place> {
  const { success, data } = place.safeParse({ channel: chat_id, thread_ts: thread_id ?? undefined })
  if (success) return data
  throw new PlatformError('A Slack channel is named by its id', { code: 'invalid_chat', permanent: true })
}

/** `<!channel>`, `<@U…>` and their like call people: such a text may come from a model that was talked into it. */
export function callingNobody(text: string): string {
  return text.replaceAll(/<(?=[!@])/g, '&lt;')
}

/**
 * Slack's own clients name a message thus, and its errors speak of it, but that a message named twice is shown once is
 * promised nowhere.
 */
function messageKey(key: string): string {
  const hex = createHash('sha256').update(key).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  )
}

/** Below the text and not as blocks in its place, which hold less text than a message. Empty, it takes buttons away. */
function actionsOf(buttons: readonly MessageButton[]) {
  if (buttons.length === 0) return []
  const elements = buttons.map(({ label, value }, index) => ({
    type: 'button',
    action_id: `button-${index}`,
    text: { type: 'plain_text', text: label },
    value,
  }))
  return [{ fallback: buttons.map(({ label }) => label).join(' · '), blocks: [{ type: 'actions', elements }] }]
}
