import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { type ChannelUpdate, channelBounds, type InboundMessage } from '#sdk/channels/message.ts'
import type { CreateAdapter } from '../adapter.ts'
import { PlatformError } from '../platform-error.ts'
import { fetchPlatformMedia, withApiHost } from '../platform-media.ts'
import { untilAborted } from '../until-aborted.ts'
import { MatrixApi } from './matrix/api.ts'
import { messageEvent, mxcUri, readSpoken, type SpokenEvent, threadOf } from './matrix/inbound.ts'
import { checkedRoom, MatrixOutbox } from './matrix/outbound.ts'
import { MatrixRooms } from './matrix/rooms.ts'
import { type SyncedRoom, sync } from './matrix/sync.ts'

/** Somewhat longer than until it is said again. */
const typingMs = 8_000
const maxNotices = 1_000
const nothing = z.object({})
const ofType = z.object({ type: z.string() })

/**
 * Matrix, by the client-server API. Rooms are joined by the operator, in a client signed in as Keel's account: to follow
 * an invitation, a homeserver takes over the whole state of a room that a stranger has chosen. End-to-end encrypted
 * messages can not be read, which is said once for each room.
 */
export const createMatrix: CreateAdapter<'matrix'> = (settings, host) => {
  const api = new MatrixApi(settings)
  const outbox = new MatrixOutbox(api, host)
  const rooms = new MatrixRooms(api, host.log)
  /** What was said in the log, not to be said again. */
  const noticed = new LRUCache<string, true>({ max: maxNotices })
  let account: string | null = null

  async function ownId(signal: AbortSignal): Promise<string> {
    account ??= await api.whoAmI(signal)
    return account
  }

  function notice(room: string, what: string): void {
    const key = `${what} ${room}`
    if (!noticed.has(key)) host.log.warn({ room }, what)
    noticed.set(key, true)
  }

  async function toUpdates({ id: room, events, gap }: SyncedRoom, own: string, signal: AbortSignal) {
    if (gap) rooms.forgetMembers(room)
    const updates: ChannelUpdate[] = []
    for (const event of events) {
      const type = ofType.safeParse(event).data?.type
      if (type === 'm.room.member') rooms.forgetMembers(room)
      if (type === 'm.room.encrypted') notice(room, 'Messages in this room are encrypted and can not be read')
      const { data } = messageEvent.safeParse(event)
      if (!data) continue
      rooms.note(room, data.event_id, { sender: data.sender, thread: threadOf(data) })
      const spoken = readSpoken(event, own)
      const update = spoken && (await toMessage(spoken, room, own, signal))
      if (update) updates.push(update)
    }
    return updates
  }

  async function toMessage(spoken: SpokenEvent, room: string, own: string, signal: AbortSignal) {
    const original = spoken.replaces === null ? null : await rooms.findEvent(room, spoken.replaces, signal)
    // Anyone can claim to replace anything; only one's own words count.
    if (spoken.replaces !== null && original?.sender !== spoken.sender) return null
    const direct = await rooms.isDirect(room, signal)
    const answersOwn = async () =>
      spoken.replyTo !== null && (await rooms.findEvent(room, spoken.replyTo, signal))?.sender === own
    const message: InboundMessage = {
      type: 'message',
      external_id: spoken.id,
      message_id: spoken.replaces ?? spoken.id,
      chat_id: room,
      thread_id: original ? original.thread : spoken.thread,
      chat_kind: direct ? 'direct' : 'group',
      guild_id: null,
      sender_id: spoken.sender,
      sender_name: null,
      text: spoken.text,
      addressed: direct || spoken.mentioned || (await answersOwn()),
      edited: spoken.replaces !== null,
      attachments: spoken.attachments,
      sent_at: spoken.sentAt,
    }
    return message
  }

  async function follow(signal: AbortSignal): Promise<void> {
    const own = await ownId(signal)
    let since = placeIn(await host.cursor(), own)
    while (!signal.aborted) {
      const synced = await sync({ api, ownId: own, log: host.log }, since, signal)
      host.connected()
      for (const room of synced.invites) notice(room, 'An invitation to this room waits to be accepted by the operator')
      const before = since === null ? null : cursorOf(since, own)
      const waiting: ChannelUpdate[] = []
      for await (const room of synced.rooms) {
        waiting.push(...(await toUpdates(room, own, signal)))
        if (waiting.length < channelBounds.updates) continue
        await host.accept(waiting.splice(0), before)
      }
      const after = cursorOf(synced.next, own)
      if (waiting.length > 0 || after !== before) await host.accept(waiting, after)
      since = synced.next
    }
  }

  return {
    mode: 'polling',

    receive: untilAborted(follow),

    send: (part, signal) => outbox.send(part, signal),
    draft: (draft, signal) => outbox.draft(draft, signal),

    async typing({ chat_id }, signal) {
      const path = ['client', 'v3', 'rooms', checkedRoom(chat_id), 'typing', await ownId(signal)]
      await api.ask(nothing, { method: 'PUT', path, content: { typing: true, timeout: typingMs } }, signal)
    },

    async fetchMedia(media, signal) {
      const { success } = mxcUri.safeParse(media.ref)
      if (!success)
        throw new PlatformError('No address of a file on Matrix', { code: 'invalid_media', permanent: true })
      const { host: hostname, pathname } = new URL(media.ref)
      const ref = api.address(['client', 'v1', 'media', 'download', hostname, pathname.slice(1)])
      // The homeserver gives files that others keep as well.
      const from = { hosts: [], host: withApiHost(host, api.homeserver.href), headers: api.authorization }
      return fetchPlatformMedia({ ...media, ref }, from, signal)
    },

    async check(signal) {
      return { identity: await api.whoAmI(signal) }
    },
  }
}

/** A place means something to the account it was given to, and to no other. */
function cursorOf(next: string, ownId: string): string {
  return `${ownId} ${next}`
}

function placeIn(cursor: string | null, ownId: string): string | null {
  return cursor?.startsWith(`${ownId} `) ? cursor.slice(ownId.length + 1) : null
}
