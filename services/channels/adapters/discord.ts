import type { GatewayDispatchPayload } from 'discord-api-types/v10'
import { LRUCache } from 'lru-cache'
import type { ChannelUpdate } from '#sdk/channels/message.ts'
import type { CreateAdapter } from '../adapter.ts'
import { PlatformError } from '../platform-error.ts'
import { fetchPlatformMedia } from '../platform-media.ts'
import { untilAborted } from '../until-aborted.ts'
import { DiscordApi } from './discord/api.ts'
import { followGateway } from './discord/gateway.ts'
import { readMessage, readPress } from './discord/inbound.ts'
import { missedMessages } from './discord/missed.ts'
import { DiscordOutbox } from './discord/outbound.ts'
import { type Progress, readProgress, seenAfter, writeProgress } from './discord/progress.ts'

const mediaHosts = ['cdn.discordapp.com', 'media.discordapp.net']
/** Discord takes an answer to a press for a quarter of an hour. */
const pressMs = 900_000
const maxPresses = 1_000
/** Events without an update after which the cursor is kept all the same, so that a resume has little to replay. */
const eventsPerCursor = 100
const ephemeral = 64
const answerWithMessage = 4
const acknowledge = 6

/**
 * Discord: events by the gateway, everything else by its HTTP API. After a gap that the gateway does not bridge, what was
 * written in the channels lately heard from is fetched; channels never heard from stay unheard until they speak again.
 */
export const createDiscord: CreateAdapter<'discord'> = (settings, host) => {
  const api = new DiscordApi(settings)
  const outbox = new DiscordOutbox(api, host)
  /** What answers a press, and is known to nobody else. */
  const pressTokens = new LRUCache<string, string>({ max: maxPresses, ttl: pressMs })
  let progress: Progress | null = null
  let eventsSince = 0

  function toUpdate({ t, d }: GatewayDispatchPayload, ownId: string): ChannelUpdate[] {
    // Names of events that this version of the library does not know come as well.
    if (t === 'MESSAGE_CREATE' || t === 'MESSAGE_UPDATE') {
      const message = readMessage(d, ownId, { edited: t === 'MESSAGE_UPDATE' })
      return message ? [message] : []
    }
    const pressed = t === 'INTERACTION_CREATE' ? readPress(d) : null
    if (!pressed) return []
    pressTokens.set(pressed.press.external_id, pressed.token)
    return [pressed.press]
  }

  async function follow(signal: AbortSignal): Promise<void> {
    const { id: ownId } = await api.identity(signal)
    const start = progress ?? readProgress(await host.cursor())
    let current = start
    await followGateway(
      {
        api,
        token: settings.token,
        session: start.session,
        spoke: host.connected,
        keep: async (events, session) => {
          const anew = events.some(({ t }) => t === 'READY')
          const missed = anew ? await missedMessages(start.seen, { api, ownId, log: host.log }, signal) : []
          const updates = [...missed, ...events.flatMap((event) => toUpdate(event, ownId))]
          const next = { session, seen: seenAfter(current.seen, updates) }
          eventsSince += events.length
          const sameSession = session?.sessionId === current.session?.sessionId
          if (updates.length > 0 || !sameSession || eventsSince >= eventsPerCursor) {
            await host.accept(updates, writeProgress(next))
            eventsSince = 0
          }
          current = next
          progress = next
        },
      },
      signal,
    )
  }

  return {
    mode: 'gateway',

    receive: untilAborted(follow),

    send: (part, signal) => outbox.send(part, signal),
    draft: (draft, signal) => outbox.draft(draft, signal),

    async typing({ chat_id, thread_id }, signal) {
      await api.request({ method: 'POST', route: outbox.route(thread_id ?? chat_id, '/typing'), signal })
    },

    async answerPress({ external_id, text }, signal) {
      const token = pressTokens.get(external_id)
      if (token === undefined) {
        throw new PlatformError('The press can no longer be answered', { code: 'press_unknown', permanent: true })
      }
      pressTokens.delete(external_id)
      const data = { content: text, flags: ephemeral, allowed_mentions: { parse: [] } }
      const body = text === '' ? { type: acknowledge } : { type: answerWithMessage, data }
      const route = `/interactions/${external_id}/${encodeURIComponent(token)}/callback` as const
      await api.request({ method: 'POST', route, body, signal })
    },

    fetchMedia: (media, signal) => fetchPlatformMedia(media, { hosts: mediaHosts, host }, signal),

    async check(signal) {
      const { id, username } = await api.identity(signal)
      return { identity: `${username} (${id})` }
    },
  }
}
