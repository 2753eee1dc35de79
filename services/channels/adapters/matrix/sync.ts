import type { Logger } from 'pino'
import { z } from 'zod'
import { PlatformError } from '../../platform-error.ts'
import { type MatrixApi, roomId, userId } from './api.ts'

const pollMs = 30_000
/** Beyond the poll, for the way and a busy homeserver. */
const graceMs = 30_000
const maxSyncBytes = 32 * 1024 * 1024
const eventsPerRoom = 20
const eventsPerPage = 100
/** Of what was missed in one room; what is older is passed over. */
const maxPages = 10
/** After these codes the homeserver does not know where it was left. */
const unknownPlaceCodes = new Set(['M_UNKNOWN', 'M_INVALID_PARAM', 'M_UNKNOWN_POS'])

const token = z.string().min(1).max(2_048)
const events = z.array(z.unknown()).catch([])

const syncAnswer = z.object({
  next_batch: token,
  rooms: z
    .object({
      join: z.record(z.string(), z.unknown()).catch({}),
      invite: z.record(z.string(), z.unknown()).catch({}),
    })
    .partial()
    .catch({}),
})

const joinedRoom = z.object({
  timeline: z.object({ events, limited: z.boolean().catch(false), prev_batch: token.nullish().catch(null) }),
})

const page = z.object({ chunk: events, end: token.nullish().catch(null) })

const ownArrival = z.object({
  type: z.literal('m.room.member'),
  state_key: userId,
  content: z.object({ membership: z.string() }),
  unsigned: z
    .object({ prev_content: z.object({ membership: z.string() }).optional().catch(undefined) })
    .optional()
    .catch(undefined),
})

export interface SyncedRoom {
  id: string
  /** In order, as they came; among them changes of who is there. */
  events: unknown[]
  /** Something in between was not told, and was fetched as far as it goes. */
  gap: boolean
}

export interface Synced {
  next: string
  /** Rooms to which the account is invited. */
  invites: string[]
  /** One after the other, since each may have much to catch up with. */
  rooms: AsyncIterable<SyncedRoom>
}

const types = ['m.room.message', 'm.room.encrypted', 'm.room.member']

function filterOf(limit: number): string {
  const none = { not_types: ['*'] }
  const timeline = { limit, types, lazy_load_members: true }
  return JSON.stringify({
    presence: none,
    account_data: none,
    room: { state: none, ephemeral: none, account_data: none, timeline },
  })
}

/** What has happened since then; where that is null, nothing: it only tells where to go on from. */
export async function sync(
  { api, ownId, log }: { api: MatrixApi; ownId: string; log: Logger },
  since: string | null,
  signal: AbortSignal,
): Promise<Synced> {
  const query: Record<string, string> = { filter: filterOf(since === null ? 1 : eventsPerRoom), timeout: '0' }
  if (since !== null) Object.assign(query, { since, timeout: String(pollMs) })
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(pollMs + graceMs)])
  try {
    const request = { path: ['client', 'v3', 'sync'], query, maxBytes: maxSyncBytes }
    const { next_batch, rooms } = await api.ask(syncAnswer, request, deadline)
    const joined = since === null ? {} : (rooms.join ?? {})
    return {
      next: next_batch,
      invites: Object.keys(rooms.invite ?? {}),
      rooms: readRooms(joined, { api, ownId, log, since }, signal),
    }
  } catch (thrown) {
    if (since === null || !isUnknownPlace(thrown)) throw thrown
    log.warn('The homeserver does not know where it was left: messages sent meanwhile are passed over')
    return sync({ api, ownId, log }, null, signal)
  }
}

function isUnknownPlace(thrown: unknown): boolean {
  return thrown instanceof PlatformError && thrown.permanent && unknownPlaceCodes.has(thrown.code)
}

interface Place {
  api: MatrixApi
  ownId: string
  log: Logger
  since: string | null
}

async function* readRooms(joined: Record<string, unknown>, place: Place, signal: AbortSignal) {
  for (const [id, given] of Object.entries(joined)) {
    const { data } = joinedRoom.safeParse(given)
    if (!data || !roomId.safeParse(id).success) continue
    const { limited, prev_batch, events: recent } = data.timeline
    const { events, arrived } = sinceArrival(recent, place.ownId)
    const gap = limited && !arrived && typeof prev_batch === 'string'
    const missed = gap ? await missedEvents(id, prev_batch, place, signal) : []
    yield { id, events: [...missed, ...events], gap }
  }
}

/** What the sync left out, read backwards from where it begins. */
async function missedEvents(room: string, before: string, { api, ownId, log, since }: Place, signal: AbortSignal) {
  const missed: unknown[] = []
  let from = before
  for (let pages = 0; pages < maxPages; pages++) {
    const filter = JSON.stringify({ types })
    const query = { dir: 'b', from, limit: String(eventsPerPage), filter, ...(since !== null && { to: since }) }
    const path = ['client', 'v3', 'rooms', room, 'messages']
    const read = await api.ask(page, { path, query, maxBytes: maxSyncBytes }, signal).catch((thrown: unknown) => {
      if (!(thrown instanceof PlatformError && thrown.permanent)) throw thrown
      log.warn({ room, code: thrown.code }, 'What was missed in a room can not be had')
      return null
    })
    if (read === null) return missed
    const { events, arrived } = sinceArrival(read.chunk.toReversed(), ownId)
    missed.unshift(...events)
    if (arrived || !read.end) return missed
    from = read.end
  }
  log.warn({ room }, 'More was missed in a room than is fetched: what is older is passed over')
  return missed
}

/** What was said before the account was invited to the room, or joined it unasked, was not said to it. */
function sinceArrival(given: unknown[], ownId: string): { events: unknown[]; arrived: boolean } {
  const at = given.findLastIndex((event) => {
    const { data } = ownArrival.safeParse(event)
    if (data?.state_key !== ownId) return false
    const { membership } = data.content
    const former = data.unsigned?.prev_content?.membership
    return membership === 'invite' || (membership === 'join' && former !== 'join' && former !== 'invite')
  })
  return { events: given.slice(at + 1), arrived: at !== -1 }
}
