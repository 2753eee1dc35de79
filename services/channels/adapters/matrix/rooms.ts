import { LRUCache } from 'lru-cache'
import type { Logger } from 'pino'
import { z } from 'zod'
import { PlatformError } from '../../platform-error.ts'
import { type MatrixApi, userId } from './api.ts'
import { messageEvent, threadOf } from './inbound.ts'

const maxRooms = 2_000
const maxEvents = 5_000
/** A room with more members than this holds is a group. */
const maxMembersBytes = 64 * 1024
const membersMs = 3_600_000

const memberList = z.object({ joined: z.record(z.string(), z.unknown()) })
const otherEvent = messageEvent.extend({ type: z.string(), content: z.looseObject({}), sender: userId })

export interface KnownEvent {
  sender: string
  thread: string | null
}

/** What has to be known about rooms and earlier events to judge a new one; looked up once and kept a while. */
export class MatrixRooms {
  readonly #api: MatrixApi
  readonly #log: Logger
  readonly #direct = new LRUCache<string, { direct: boolean }>({ max: maxRooms, ttl: membersMs })
  readonly #events = new LRUCache<string, { known: KnownEvent | null }>({ max: maxEvents })

  constructor(api: MatrixApi, log: Logger) {
    this.#api = api
    this.#log = log
  }

  /** Its members have changed, or may have. */
  forgetMembers(room: string): void {
    this.#direct.delete(room)
  }

  note(room: string, event: string, known: KnownEvent): void {
    this.#events.set(`${room} ${event}`, { known })
  }

  /** Whether nobody but one other person is there. */
  async isDirect(room: string, signal: AbortSignal): Promise<boolean> {
    const kept = this.#direct.get(room)
    if (kept) return kept.direct
    const direct = await this.#hasTwoMembers(room, signal)
    this.#direct.set(room, { direct })
    return direct
  }

  /** null where it can not be had: what a stranger's event points to must not stop the others. */
  async findEvent(room: string, event: string, signal: AbortSignal): Promise<KnownEvent | null> {
    const key = `${room} ${event}`
    const kept = this.#events.get(key)
    if (kept) return kept.known
    try {
      const path = ['client', 'v3', 'rooms', room, 'event', event]
      const found = await this.#api.ask(otherEvent, { path }, signal)
      const { data } = messageEvent.safeParse(found)
      const known = { sender: found.sender, thread: data ? threadOf(data) : null }
      this.#events.set(key, { known })
      return known
    } catch (thrown) {
      if (!(thrown instanceof PlatformError)) throw thrown
      this.#log.warn({ room, event, code: thrown.code }, 'An event that a message refers to could not be had')
      if (thrown.permanent) this.#events.set(key, { known: null })
      return null
    }
  }

  async #hasTwoMembers(room: string, signal: AbortSignal): Promise<boolean> {
    try {
      const path = ['client', 'v3', 'rooms', room, 'joined_members']
      const { joined } = await this.#api.ask(memberList, { path, maxBytes: maxMembersBytes }, signal)
      return Object.keys(joined).length <= 2
    } catch (thrown) {
      const unknowable = thrown instanceof PlatformError && (thrown.permanent || thrown.code === 'answer_too_long')
      if (unknowable) return false
      throw thrown
    }
  }
}
