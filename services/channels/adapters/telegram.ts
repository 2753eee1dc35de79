import { once } from 'node:events'
import { basename } from 'node:path/posix'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { type ChannelUpdate, channelBounds } from '#sdk/channels/message.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { CreateAdapter, MediaRequest, MediaSource } from '../adapter.ts'
import { PlatformError } from '../platform-error.ts'
import { fetchPlatformMedia, withApiHost } from '../platform-media.ts'
import { untilAborted } from '../until-aborted.ts'
import { read, TelegramApi, type TelegramBot } from './telegram/api.ts'
import { allowedUpdates, readUpdate } from './telegram/inbound.ts'
import { TelegramOutbox } from './telegram/outbound.ts'

/** Beyond the time that Telegram is asked to hold a request for. */
const pollGraceMs = 15_000
/** What answers at once that there is nothing is not asked at once again. */
const shortestPollMs = 1_000
const identityMs = 4_000

const fileInfo = z.object({ file_path: z.string().max(1_024), file_size: z.number().optional().catch(undefined) })
/** As Telegram names files: below the bot's folder, and never above it. */
const filePath = /^(?!\.)[\w-][\w.-]*(\/[\w-][\w.-]*)*$/
const cursorShape = /^\d{1,15}$/

/** Telegram: updates by long polling or by webhook, everything else by its Bot API. */
export const createTelegram: CreateAdapter<'telegram'> = (settings, host) => {
  const { mode, poll_timeout_seconds, webhook_url, webhook_secret } = settings
  const api = new TelegramApi(settings)
  const outbox = new TelegramOutbox(api, host)
  const allowed_updates = [...allowedUpdates]
  let known: TelegramBot | null = null

  async function poll(bot: TelegramBot, signal: AbortSignal): Promise<void> {
    await api.ask((telegram, end) => telegram.deleteWebhook({}, end), signal)
    host.connected()
    for (let offset = Number((await readCursor()) ?? 0); !signal.aborted; ) {
      const asked = performance.now()
      const batch = (await nextUpdates(offset, signal)).map((given) => readUpdate(given, bot))
      host.connected()
      const ids = batch.flatMap(({ id }) => id ?? [])
      if (ids.length > 0) {
        offset = Math.max(...ids) + 1
        await host.accept(
          batch.flatMap(({ update }) => update ?? []),
          String(offset),
        )
      } else if (batch.length > 0) {
        const message = 'Telegram gave updates without an id'
        throw new PlatformError(message, { code: 'unreadable_answer', permanent: false })
      } else {
        await delay(Math.max(0, shortestPollMs - (performance.now() - asked)), undefined, { signal })
      }
    }
  }

  async function readCursor(): Promise<string | null> {
    const cursor = await host.cursor()
    return cursor !== null && cursorShape.test(cursor) ? cursor : null
  }

  async function nextUpdates(offset: number, signal: AbortSignal): Promise<unknown[]> {
    const most = poll_timeout_seconds * 1_000 + pollGraceMs
    const request = { offset, timeout: poll_timeout_seconds, limit: channelBounds.updates, allowed_updates }
    const answer = await api.ask(
      (telegram, end) => telegram.getUpdates(request, end),
      AbortSignal.any([signal, AbortSignal.timeout(most)]),
    )
    return read(z.array(z.unknown()), answer).slice(0, channelBounds.updates)
  }

  async function awaitWebhook(signal: AbortSignal): Promise<void> {
    if (webhook_url !== null) {
      if (webhook_secret === null) {
        const message = 'webhook_secret is missing: what Telegram sends could not be told from what others send'
        throw new PlatformError(message, { code: 'webhook_secret_missing', permanent: true })
      }
      const given = { secret_token: webhook_secret, allowed_updates }
      await api.ask((telegram, end) => telegram.setWebhook(webhook_url, given, end), signal)
    }
    host.connected()
    if (!signal.aborted) await once(signal, 'abort')
  }

  async function fetchFile({ ref, kind, maxBytes }: MediaRequest, signal: AbortSignal): Promise<MediaSource> {
    const info = read(fileInfo, await api.ask((telegram, end) => telegram.getFile(ref, end), signal))
    if (!filePath.test(info.file_path)) {
      const message = 'Telegram named a file that is not below the folder of the bot'
      throw new PlatformError(message, { code: 'file_path_refused', permanent: true })
    }
    if (info.file_size !== undefined && info.file_size > maxBytes) {
      throw new RuntimeError('too_large', `The file is larger than ${maxBytes} bytes`)
    }
    const source = await fetchPlatformMedia(
      { ref: api.fileUrl(info.file_path), kind, maxBytes },
      { hosts: [], host: withApiHost(host, api.root) },
      signal,
    )
    return { ...source, filename: basename(info.file_path) }
  }

  return {
    mode,

    receive: untilAborted(async (signal) => {
      known = await api.bot(signal)
      if (mode === 'polling') await poll(known, signal)
      else await awaitWebhook(signal)
    }),

    async parse(body) {
      const given = parsed(body)
      if (given === undefined) {
        host.log.warn('Telegram sent an update that is no JSON')
        return []
      }
      known ??= await api.bot(AbortSignal.timeout(identityMs))
      const { update } = readUpdate(given, known)
      return update ? [update] : ([] satisfies ChannelUpdate[])
    },

    send: (part, signal) => outbox.send(part, signal),
    draft: (draft, signal) => outbox.draft(draft, signal),
    typing: (chat, signal) => outbox.typing(chat, signal),

    async answerPress({ external_id, text }, signal) {
      const shown = text === '' ? {} : { text }
      await api.ask((telegram, end) => telegram.answerCallbackQuery(external_id, shown, end), signal)
    },

    fetchMedia: fetchFile,

    async check(signal) {
      const { username, id } = await api.bot(signal)
      return { identity: `@${username} (${id})` }
    },
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
