import type { Logger } from 'pino'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { platforms } from '#sdk/channels/platforms.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { ServiceHandlers } from '#sdk/service.ts'
import type { Adapter } from '../adapter.ts'
import type { adapterService } from '../adapter-contract.ts'
import type { ErrorText } from '../error-text.ts'
import { draftText } from '../format/format-parts.ts'
import type { ChannelTimes } from '../times.ts'
import { leavingError } from './failure.ts'
import { knownUpdates } from './known-updates.ts'
import { sendMedia } from './send-media.ts'
import { sendMessage } from './send-message.ts'

export interface ServedAdapter {
  adapter: Adapter
  platform: PlatformName
  times: ChannelTimes
  errorText: ErrorText
  log: Logger
}

/** What the host may ask of an adapter. */
export function serveAdapter({
  adapter,
  platform,
  times,
  errorText,
  log,
}: ServedAdapter): ServiceHandlers<typeof adapterService> {
  const { title } = platforms[platform]

  async function told<T>(work: () => T | Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (thrown) {
      throw leavingError(thrown, errorText)
    }
  }

  return {
    parse: ({ body }) => told(async () => ({ updates: knownUpdates(await parsed(body), log) })),
    send: (message, { signal, emit }) => sendMessage(message, adapter, { platform, times, errorText, signal, emit }),
    draft: ({ text, ...draft }, { signal }) =>
      told(async () => {
        if (!adapter.draft) throw new RuntimeError('not_implemented', `${title} shows no answer while it is written`)
        return adapter.draft({ ...draft, ...draftText(text, platform) }, signal)
      }),
    typing: (chat, { signal }) => told(async () => (await adapter.typing?.(chat, signal)) ?? null),
    answerPress: (press, { signal }) => told(async () => (await adapter.answerPress?.(press, signal)) ?? null),
    fetchMedia: ({ max_bytes, ...media }, { signal, emit }) =>
      told(async () => {
        if (!adapter.fetchMedia) throw new RuntimeError('not_implemented', `${title} has no files to fetch`)
        const source = await adapter.fetchMedia({ ...media, maxBytes: max_bytes }, signal)
        return sendMedia(source, { maxBytes: max_bytes, signal, emit })
      }),
    check: (_, { signal }) => told(() => adapter.check(signal)),
  }

  async function parsed(body: string) {
    if (!adapter.parse) throw new RuntimeError('not_implemented', `${title} takes no webhooks`)
    try {
      return await adapter.parse(body)
    } catch (cause) {
      // The same body would fail in the same way.
      throw new RuntimeError('unprocessable', `A webhook of ${title} can not be read`, undefined, { cause })
    }
  }
}
