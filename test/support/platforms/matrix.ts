import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerJson, bodyOf, failed } from './faults.ts'
import { LoopbackPlatform } from './loopback-platform.ts'

type Json = Record<string, unknown>

export interface MatrixEvent extends Json {
  event_id: string
  type: string
  sender: string
  origin_server_ts: number
  content: Json
}

interface Room {
  members: Set<string>
  events: { position: number; event: MatrixEvent }[]
}

export const matrixToken = 'syt_a2VlbA_access-token-of-tests_1a2b3c'
export const matrixUser = '@keel:localhost'

const ada = '@ada:localhost'
const maxEventBytes = 65_536
const maxUploadBytes = 60 * 1024 * 1024

/**
 * A homeserver on loopback: the parts of the client-server API (version 3) that a bot uses, as the specification describes
 * them. `events` tells of `request`, `sent`, `sync` and `waiting`.
 */
export class FakeMatrix extends LoopbackPlatform {
  /** Every event that Keel has sent, once each. */
  readonly sent: { room: string; event: MatrixEvent; transaction: string }[] = []
  readonly uploads: { filename: string | null; content_type: string; bytes: Buffer; uri: string }[] = []
  readonly typing: { room: string; user: string; body: Json }[] = []
  /** `METHOD /path`, without the query. */
  readonly requests: string[] = []
  /** What each sync asked to go on from. */
  readonly syncedFrom: (string | null)[] = []
  readonly invites = new Map<string, Json>()
  /** The account that the token belongs to. */
  user = matrixUser
  readonly #rooms = new Map<string, Room>()
  readonly #transactions = new Map<string, string>()
  readonly #media = new Map<string, { bytes: Buffer; contentType: string }>()
  #position = 1
  #ids = 0

  /** A room where the account and the others are. */
  addRoom(id: string, members: string[] = [ada]): void {
    this.#rooms.set(id, { members: new Set([this.user, ...members]), events: [] })
  }

  /** Somebody says something; fields given replace the usual ones. */
  say(room: string, content: string | Json, fields: Json = {}): MatrixEvent {
    const body = typeof content === 'string' ? { msgtype: 'm.text', body: content } : content
    return this.push(room, { type: 'm.room.message', sender: ada, content: body, ...fields })
  }

  /** Any event of a room. */
  push(room: string, fields: Json): MatrixEvent {
    const at = this.#rooms.get(room)
    if (!at) throw new Error(`There is no room ${room}`)
    const usual = { event_id: `$${++this.#ids}-event`, type: 'm.room.message', sender: ada }
    const event = { ...usual, origin_server_ts: Date.now(), content: {}, ...fields } as MatrixEvent
    at.events.push({ position: this.#position++, event })
    this.events.emit('pushed')
    return event
  }

  /** A person joins or leaves, or the account itself does. */
  changeMember(room: string, user: string, membership: 'invite' | 'join' | 'leave', former?: string): void {
    const members = this.#rooms.get(room)?.members
    if (membership === 'join') members?.add(user)
    if (membership === 'leave') members?.delete(user)
    const unsigned = former === undefined ? {} : { prev_content: { membership: former } }
    this.push(room, { type: 'm.room.member', state_key: user, sender: user, content: { membership }, unsigned })
  }

  invite(room: string, from: string): void {
    const member = { type: 'm.room.member', state_key: this.user, sender: from }
    this.invites.set(room, {
      invite_state: { events: [{ ...member, content: { membership: 'invite', is_direct: true } }] },
    })
    this.#position++
    this.events.emit('pushed')
  }

  /** The address of a file in the homeserver's media. */
  hostFile(id: string, bytes: Buffer, contentType: string): string {
    this.#media.set(`localhost/${id}`, { bytes, contentType })
    return `mxc://localhost/${id}`
  }

  override async close(): Promise<void> {
    this.events.emit('closed')
    await super.close()
  }

  protected async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url)
    this.requests.push(`${request.method} ${url.pathname}`)
    this.events.emit('request')
    const fault = this.faults.take(url.pathname)
    if (failed(fault, request, response)) return
    if (request.headers.authorization !== `Bearer ${matrixToken}`) {
      return refuse(response, 401, 'M_UNKNOWN_TOKEN', 'Unrecognised access token')
    }
    const answer = fault === 'drop_after' ? () => request.socket.destroy() : answerJson.bind(null, response, 200)
    const [prefix, area, version, ...path] = url.pathname.split('/').slice(1).map(decodeURIComponent)
    if (prefix !== '_matrix') return refuse(response, 404, 'M_UNRECOGNIZED')
    if (area === 'media' && version === 'v3' && path[0] === 'upload')
      return this.#upload(request, response, url, answer)
    if (area !== 'client') return refuse(response, 404, 'M_UNRECOGNIZED')
    if (version === 'v1' && path[0] === 'media' && path[1] === 'download')
      return this.#download(response, path.slice(2))
    if (version !== 'v3') return refuse(response, 404, 'M_UNRECOGNIZED')
    if (path.join('/') === 'account/whoami') return answer({ user_id: this.user, device_id: 'KEEL' })
    if (path[0] === 'sync') return this.#sync(request, response, url, answer)
    if (path[0] === 'rooms') return this.#room(request, response, path, url, answer)
    refuse(response, 404, 'M_UNRECOGNIZED')
  }

  async #room(
    request: IncomingMessage,
    response: ServerResponse,
    [, id = '', what, ...rest]: string[],
    url: URL,
    answer: (body: unknown) => void,
  ): Promise<void> {
    const room = this.#rooms.get(id)
    if (!room?.members.has(this.user)) return refuse(response, 403, 'M_FORBIDDEN', 'You are not in the room')
    if (what === 'joined_members') {
      return answer({ joined: Object.fromEntries([...room.members].map((member) => [member, {}])) })
    }
    if (what === 'event') {
      const found = room.events.find(({ event }) => event.event_id === rest[0])
      return found ? answer(found.event) : refuse(response, 404, 'M_NOT_FOUND', 'Event not found')
    }
    if (what === 'messages') return answer(messagesPage(room, url))
    const body = await bodyOf(request)
    if (what === 'typing' && request.method === 'PUT') {
      this.typing.push({ room: id, user: rest[0] ?? '', body: JSON.parse(body.toString()) as Json })
      return answer({})
    }
    if (what !== 'send' || request.method !== 'PUT') return refuse(response, 404, 'M_UNRECOGNIZED')
    if (body.length > maxEventBytes) return refuse(response, 413, 'M_TOO_LARGE', 'event too large')
    const [type = '', transaction = ''] = rest
    const key = `${id} ${type} ${transaction}`
    const former = this.#transactions.get(key)
    if (former !== undefined) return answer({ event_id: former })
    const content = JSON.parse(body.toString()) as Json
    const event = this.push(id, { type, sender: this.user, content })
    this.#transactions.set(key, event.event_id)
    this.sent.push({ room: id, event, transaction })
    this.events.emit('sent')
    answer({ event_id: event.event_id })
  }

  async #sync(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    answer: (body: unknown) => void,
  ): Promise<void> {
    const since = url.searchParams.get('since')
    this.syncedFrom.push(since)
    this.events.emit('sync')
    if (since !== null && !/^s\d+$/.test(since)) return refuse(response, 400, 'M_UNKNOWN', 'Invalid stream token')
    const from = since === null ? 0 : Number(since.slice(1))
    const waitMs = Number(url.searchParams.get('timeout') ?? 0)
    if (from >= this.#position && waitMs > 0) {
      const over = new AbortController()
      const end = () => over.abort()
      request.socket.once('close', end)
      this.events.once('closed', end)
      const late = AbortSignal.any([over.signal, AbortSignal.timeout(waitMs)])
      this.events.emit('waiting')
      await once(this.events, 'pushed', { signal: late }).catch(() => {})
      request.socket.off('close', end)
      this.events.off('closed', end)
      if (over.signal.aborted) return
    }
    const filter = JSON.parse(url.searchParams.get('filter') ?? '{}') as {
      room?: { timeline?: { limit?: number; types?: string[] } }
    }
    const { limit = 10, types } = filter.room?.timeline ?? {}
    const join: Json = {}
    for (const [id, { events, members }] of this.#rooms) {
      if (!members.has(this.user)) continue
      const fitting = events.filter((each) => each.position >= from && (types?.includes(each.event.type) ?? true))
      if (fitting.length === 0) continue
      const shown = fitting.slice(-limit)
      const timeline = {
        events: shown.map(({ event }) => event),
        limited: shown.length < fitting.length,
        prev_batch: `s${shown[0]?.position ?? from}`,
      }
      join[id] = { timeline, state: { events: [] }, ephemeral: { events: [] } }
    }
    const invite = Object.fromEntries(this.invites)
    answer({ next_batch: `s${this.#position}`, rooms: { join, invite, leave: {} }, presence: { events: [] } })
  }

  async #upload(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    answer: (body: unknown) => void,
  ): Promise<void> {
    const length = request.headers['content-length']
    if (length === undefined) return refuse(response, 400, 'M_UNKNOWN', 'Request must specify a Content-Length')
    if (Number(length) > maxUploadBytes) return refuse(response, 413, 'M_TOO_LARGE', 'Upload request body is too large')
    const bytes = await bodyOf(request)
    const contentType = request.headers['content-type'] ?? ''
    const uri = this.hostFile(`upload-${++this.#ids}`, bytes, contentType)
    this.uploads.push({ filename: url.searchParams.get('filename'), content_type: contentType, bytes, uri })
    answer({ content_uri: uri })
  }

  #download(response: ServerResponse, path: string[]): void {
    const file = this.#media.get(path.join('/'))
    if (file) response.writeHead(200, { 'content-type': file.contentType }).end(file.bytes)
    else refuse(response, 404, 'M_NOT_FOUND')
  }
}

/** Backwards from `from`, no further than `to`. */
function messagesPage({ events }: Room, { searchParams }: URL): Json {
  const place = (name: string, otherwise: number) => {
    const given = searchParams.get(name)
    return given === null ? otherwise : Number(given.slice(1))
  }
  const { types } = JSON.parse(searchParams.get('filter') ?? '{}') as { types?: string[] }
  const [from, to] = [place('from', Number.MAX_SAFE_INTEGER), place('to', 0)]
  const fitting = events
    .filter(({ position, event }) => position < from && position >= to && (types?.includes(event.type) ?? true))
    .toReversed()
  const shown = fitting.slice(0, Number(searchParams.get('limit') ?? 10))
  const end = shown.length < fitting.length ? { end: `s${shown.at(-1)?.position}` } : {}
  return { start: searchParams.get('from'), chunk: shown.map(({ event }) => event), ...end }
}

function refuse(response: ServerResponse, status: number, errcode: string, error = ''): void {
  answerJson(response, status, { errcode, error })
}
