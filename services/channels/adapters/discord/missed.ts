import type { Logger } from 'pino'
import { z } from 'zod'
import type { InboundMessage } from '#sdk/channels/message.ts'
import { PlatformError } from '../../platform-error.ts'
import { type DiscordApi, read } from './api.ts'
import { readMessage } from './inbound.ts'
import type { SeenChannel } from './progress.ts'

/** As many as Discord gives at once; older ones of the same gap are not asked for. */
const messagesPerChannel = 100

const history = z.array(z.unknown()).max(messagesPerChannel)

/** What was written in channels since the message that was seen last, oldest first in each. */
export async function missedMessages(
  channels: readonly SeenChannel[],
  { api, ownId, log }: { api: DiscordApi; ownId: string; log: Logger },
  signal: AbortSignal,
): Promise<InboundMessage[]> {
  const missed: InboundMessage[] = []
  for (const { channel, guild, last } of channels) {
    const query = new URLSearchParams({ after: last, limit: String(messagesPerChannel) })
    try {
      const found = read(
        history,
        await api.request({ method: 'GET', route: `/channels/${channel}/messages`, query, signal }),
      )
      if (found.length === messagesPerChannel) log.warn({ channel }, 'Older messages of the gap may be missing')
      // The history does not repeat where its channel is.
      const messages = found.map((given) => Object.assign({}, given, { guild_id: guild }))
      missed.push(...messages.flatMap((given) => readMessage(given, ownId, { edited: false }) ?? []).reverse())
    } catch (thrown) {
      if (!(thrown instanceof PlatformError && thrown.permanent)) throw thrown
      log.info({ channel, code: thrown.code }, 'The messages of a channel can no longer be read')
    }
  }
  return missed
}
