import type { IncomingMessage, ServerResponse } from 'node:http'
import { type WebSocket, WebSocketServer } from 'ws'
import { answerJson, bodyOf, failed, formOf } from './faults.ts'
import { LoopbackPlatform } from './loopback-platform.ts'

export interface SentDiscordMessage {
  id: string
  channel_id: string
  content: string
  nonce: string | null
  /** The request as it came. */
  body: Record<string, unknown>
  files: { filename: string; content_type: string; bytes: Buffer }[]
  /** Contents that it had before. */
  former: string[]
}

interface Session {
  id: string
  seq: number
  log: { s: number; t: string; d: unknown }[]
  socket: WebSocket | null
}

interface GatewayFrame {
  op: number
  d: Record<string, unknown> | number | null
}

export const discordToken = 'MTAwMDAwMDAwMDAwMDAwMDAwMDE.Gfake1.discord-bot-token-of-tests'
export const discordBotId = '100000000000000001'

const firstId = 1_200_000_000_000_000_000n
const maxContentLength = 2_000

/**
 * Discord on loopback: the parts of its HTTP API (version 10) and of its gateway that a bot of text channels uses, as its
 * documentation describes them. `events` tells of `connected`, `identified`, `resumed`, `sent`, `edited`, `request` and `heartbeat`.
 */
export class FakeDiscord extends LoopbackPlatform {
  readonly sent: SentDiscordMessage[] = []
  /** `METHOD /path`, without the version. */
  readonly requests: string[] = []
  readonly answers: { interaction: string; token: string; body: Record<string, unknown> }[] = []
  /** What came with each identify. */
  readonly identified: Record<string, unknown>[] = []
  /** The sequence of each resume. */
  readonly resumed: number[] = []
  /** The sequences that heartbeats told. */
  readonly heartbeats: (number | null)[] = []
  readonly unknownChannels = new Set<string>()
  heartbeatMs = 41_250
  /** Where set, each identify is answered by a close with this code. */
  closeOnIdentify: number | null = null
  /** Says nothing on new connections. */
  silentGateway = false
  readonly #files = new Map<string, { bytes: Buffer; contentType: string }>()
  readonly #history = new Map<string, Record<string, unknown>[]>()
  readonly #sessions = new Map<string, Session>()
  readonly #gateway = new WebSocketServer({ server: this.server, path: '/gateway' })
  #current: Session | null = null
  #ids = firstId

  constructor() {
    super()
    this.#gateway.on('connection', (socket) => this.#greet(socket))
  }

  /** For `channels.discord.api_url`. */
  get apiUrl(): string {
    return `${this.url}/api`
  }

  newId(): string {
    this.#ids += 1n
    return String(this.#ids)
  }

  /** The address of a file on the content network. */
  hostFile(name: string, bytes: Buffer, contentType: string): string {
    this.#files.set(`/attachments/${name}`, { bytes, contentType })
    return `${this.url}/attachments/${name}`
  }

  /** A person's message: in the history, and to whoever listens. Fields given replace the usual ones. */
  say(content: string, fields: Record<string, unknown> = {}): Record<string, unknown> {
    const message = {
      id: this.newId(),
      type: 0,
      channel_id: '300000000000000001',
      author: { id: '200000000000000001', username: 'ada', global_name: 'Ada', discriminator: '0' },
      content,
      timestamp: new Date().toISOString(),
      edited_timestamp: null,
      mentions: [],
      mention_everyone: false,
      attachments: [],
      embeds: [],
      ...fields,
    }
    const channel = String(message.channel_id)
    const { guild_id: _, ...stored } = message as Record<string, unknown>
    this.#history.set(channel, [...(this.#history.get(channel) ?? []), stored])
    this.dispatch('MESSAGE_CREATE', message)
    return message
  }

  /** A button is pressed. */
  press(value: string, fields: Record<string, unknown> = {}): { id: string; token: string } {
    const interaction = {
      id: this.newId(),
      application_id: discordBotId,
      type: 3,
      token: `interaction-token-${this.#ids}`,
      version: 1,
      channel_id: '300000000000000001',
      user: { id: '200000000000000001', username: 'ada', global_name: 'Ada' },
      message: { id: '400000000000000001' },
      data: { custom_id: value, component_type: 2 },
      ...fields,
    }
    this.dispatch('INTERACTION_CREATE', interaction)
    return { id: interaction.id, token: interaction.token }
  }

  /** Any event of the gateway; kept for a resume when nobody is connected. */
  dispatch(t: string, d: unknown): void {
    const session = this.#current
    if (!session) return
    session.seq += 1
    const event = { s: session.seq, t, d }
    session.log.push(event)
    if (session.socket) this.#send(session.socket, { op: 0, ...event })
  }

  /** Sends a frame as it is. */
  frame(text: string): void {
    for (const socket of this.#gateway.clients) socket.send(text)
  }

  askToReconnect(): void {
    for (const socket of this.#gateway.clients) this.#send(socket, { op: 7, d: null })
  }

  closeGateway(code: number): void {
    for (const socket of this.#gateway.clients) socket.close(code)
  }

  dropGateway(): void {
    for (const socket of this.#gateway.clients) socket.terminate()
  }

  /** What comes to be resumed is no longer known. */
  forgetSessions(): void {
    this.#sessions.clear()
    this.#current = null
  }

  override async close(): Promise<void> {
    this.dropGateway()
    this.#gateway.close()
    await super.close()
  }

  #send(socket: WebSocket, frame: unknown): void {
    socket.send(JSON.stringify(frame))
  }

  #greet(socket: WebSocket): void {
    this.events.emit('connected')
    if (this.silentGateway) return
    this.#send(socket, { op: 10, d: { heartbeat_interval: this.heartbeatMs } })
    socket.on('message', (data) => this.#hear(socket, JSON.parse(String(data)) as GatewayFrame))
    socket.on('close', () => {
      for (const session of this.#sessions.values()) if (session.socket === socket) session.socket = null
    })
    socket.on('error', () => {})
  }

  #hear(socket: WebSocket, { op, d }: GatewayFrame): void {
    if (op === 1) {
      this.heartbeats.push(d as number | null)
      this.#send(socket, { op: 11 })
      this.events.emit('heartbeat')
    } else if (op === 2) this.#identify(socket, d as Record<string, unknown>)
    else if (op === 6) this.#resume(socket, d as { token: string; session_id: string; seq: number })
    else socket.close(4001)
  }

  #identify(socket: WebSocket, given: Record<string, unknown>): void {
    this.identified.push(given)
    const refusal = given.token === discordToken ? this.closeOnIdentify : 4004
    if (refusal !== null) {
      socket.close(refusal)
      return
    }
    const session: Session = { id: `session-${this.newId()}`, seq: 0, log: [], socket }
    this.#sessions.set(session.id, session)
    this.#current = session
    this.dispatch('READY', {
      v: 10,
      user: { id: discordBotId, username: 'keel', bot: true },
      guilds: [],
      session_id: session.id,
      resume_gateway_url: `ws://${this.host}/gateway`,
      application: { id: discordBotId, flags: 0 },
    })
    this.events.emit('identified')
  }

  #resume(socket: WebSocket, { token, session_id, seq }: { token: string; session_id: string; seq: number }): void {
    this.resumed.push(seq)
    const session = this.#sessions.get(session_id)
    if (token !== discordToken) socket.close(4004)
    else if (!session) this.#send(socket, { op: 9, d: false })
    else if (seq > session.seq) socket.close(4007)
    else this.#replay(session, seq, socket)
  }

  #replay(session: Session, seq: number, socket: WebSocket): void {
    session.socket = socket
    this.#current = session
    for (const event of session.log.filter(({ s }) => s > seq)) this.#send(socket, { op: 0, ...event })
    this.dispatch('RESUMED', {})
    this.events.emit('resumed')
  }

  protected async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url)
    const file = this.#files.get(url.pathname)
    if (file) {
      response.writeHead(200, { 'content-type': file.contentType }).end(file.bytes)
      return
    }
    const path = url.pathname.replace(/^\/api\/v10/, '')
    const body = await bodyOf(request)
    this.requests.push(`${request.method} ${path}`)
    const fault = this.faults.take(path)
    queueMicrotask(() => this.events.emit('request', path))
    if (failed(fault, request, response)) return
    if (path === url.pathname) return answerJson(response, 404, { message: '404: Not Found', code: 0 })
    const open = path.startsWith('/interactions/')
    if (!open && request.headers.authorization !== `Bot ${discordToken}`) {
      return answerJson(response, 401, { message: '401: Unauthorized', code: 0 })
    }
    const { status, answer } = await this.#answer(request, path, url.searchParams, body)
    if (fault === 'drop_after') request.socket.destroy()
    else if (status === 204) response.writeHead(204).end()
    else answerJson(response, status, answer)
  }

  async #answer(request: IncomingMessage, path: string, query: URLSearchParams, body: Buffer): Promise<Answer> {
    if (path === '/users/@me') return ok({ id: discordBotId, username: 'keel', bot: true })
    if (path === '/gateway/bot') {
      const session_start_limit = { total: 1_000, remaining: 999, reset_after: 14_400_000, max_concurrency: 1 }
      return ok({ url: `ws://${this.host}/gateway`, shards: 1, session_start_limit })
    }
    const [, area, first = '', second, third] = path.split('/')
    if (area === 'interactions') {
      const given = JSON.parse(body.toString()) as Record<string, unknown>
      this.answers.push({ interaction: first, token: decodeURIComponent(second ?? ''), body: given })
      return { status: 204, answer: null }
    }
    if (area !== 'channels' || this.unknownChannels.has(first)) return refused(404, 10003, 'Unknown Channel')
    if (second === 'typing') return { status: 204, answer: null }
    if (second !== 'messages') return refused(404, 0, '404: Not Found')
    if (request.method === 'GET') return ok(this.#messagesAfter(first, query))
    const { given, files } = await this.#content(request, body)
    return third === undefined ? this.#create(first, given, files) : this.#edit(third, given)
  }

  #messagesAfter(channel: string, query: URLSearchParams): unknown[] {
    const after = BigInt(query.get('after') ?? 0)
    const found = (this.#history.get(channel) ?? []).filter(({ id }) => BigInt(String(id)) > after)
    return found.slice(0, Number(query.get('limit') ?? 50)).reverse()
  }

  async #content(request: IncomingMessage, body: Buffer) {
    if (!request.headers['content-type']?.startsWith('multipart/')) {
      return { given: JSON.parse(body.toString()) as Record<string, unknown>, files: [] }
    }
    const form = await formOf(request, body)
    const files: SentDiscordMessage['files'] = []
    for (const [name, value] of form) {
      if (typeof value === 'string' || !name.startsWith('files[')) continue
      files.push({ filename: value.name, content_type: value.type, bytes: Buffer.from(await value.arrayBuffer()) })
    }
    return { given: JSON.parse(String(form.get('payload_json'))) as Record<string, unknown>, files }
  }

  #create(channel: string, given: Record<string, unknown>, files: SentDiscordMessage['files']): Answer {
    const content = String(given.content ?? '')
    if ([...content].length > maxContentLength) return refused(400, 50035, 'Invalid Form Body')
    if (content === '' && files.length === 0) return refused(400, 50006, 'Cannot send an empty message')
    const nonce = given.nonce === undefined ? null : String(given.nonce)
    const same = given.enforce_nonce === true ? this.sent.find((message) => message.nonce === nonce) : undefined
    if (same) return ok({ id: same.id, channel_id: channel, content: same.content })
    const id = this.newId()
    this.sent.push({ id, channel_id: channel, content, nonce, body: given, files, former: [] })
    this.events.emit('sent')
    return ok({ id, channel_id: channel, content })
  }

  #edit(id: string, given: Record<string, unknown>): Answer {
    const message = this.sent.find((entry) => entry.id === id)
    if (!message) return refused(404, 10008, 'Unknown Message')
    message.former.push(message.content)
    message.content = String(given.content ?? message.content)
    message.body = given
    this.events.emit('edited')
    return ok({ id, content: message.content })
  }
}

interface Answer {
  status: number
  answer: unknown
}

function ok(answer: unknown): Answer {
  return { status: 200, answer }
}

function refused(status: number, code: number, message: string): Answer {
  return { status, answer: { message, code } }
}
