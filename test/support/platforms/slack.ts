import { createHmac } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type WebSocket, WebSocketServer } from 'ws'
import { answerJson, bodyOf, failed } from './faults.ts'
import { LoopbackPlatform } from './loopback-platform.ts'

export interface SentSlackMessage {
  ts: string
  channel: string
  thread_ts: string | null
  text: string
  /** Slack's documentation does not promise that a message named twice is shown once: here it is shown twice. */
  client_msg_id: string | null
  /** The parameters as they came; what was JSON is parsed. */
  params: Record<string, unknown>
  /** Texts that it had before. */
  former: string[]
}

interface Envelope {
  envelope_id: string
  type: 'events_api' | 'interactive'
  payload: unknown
}

export const slackBotToken = 'xoxb-1000000001-fake-bot-token-of-tests'
export const slackAppToken = 'xapp-1-A0000001-fake-app-token-of-tests'
export const slackSigningSecret = '0123456789abcdef0123456789abcdef'
export const slackBotUser = 'U0KEELBOT'
export const slackTeam = 'T0TEAM001'
const appId = 'A0000001'

/**
 * Slack on loopback: the methods of its Web API that a bot uses, Socket Mode, and signed webhooks, as its documentation
 * describes them. `events` tells of `request`, `connected`, `acknowledged`, `sent` and `edited`.
 */
export class FakeSlack extends LoopbackPlatform {
  readonly sent: SentSlackMessage[] = []
  readonly ephemeral: Record<string, unknown>[] = []
  readonly files: { filename: string; bytes: Buffer; params: Record<string, unknown> }[] = []
  /** Names of the methods called, and `upload`, in order. */
  readonly requests: string[] = []
  /** Ids of envelopes, in the order of their acknowledgements. */
  readonly acknowledged: string[] = []
  /** By channel; any other channel is there. */
  readonly refusals = new Map<string, string>()
  /** Where files are to be uploaded to, if not here. */
  uploadUrl: string | null = null
  /** Says nothing on new connections. */
  silentSocket = false
  readonly #hosted = new Map<string, { bytes: Buffer; contentType: string }>()
  readonly #uploads = new Map<string, { filename: string; length: number; bytes: Buffer | null }>()
  readonly #tickets = new Set<string>()
  /** Sent, and not acknowledged. */
  readonly #open = new Map<string, Envelope>()
  readonly #socket = new WebSocketServer({ server: this.server, path: '/link' })
  #count = 0

  constructor() {
    super()
    this.#socket.on('connection', (socket, request) => this.#greet(socket, request))
  }

  /** For `channels.slack.api_url`. */
  get apiUrl(): string {
    return `${this.url}/api/`
  }

  /** A moment that no other message has. */
  newTs(): string {
    this.#count += 1
    return `1772000000.${String(this.#count).padStart(6, '0')}`
  }

  /** The `url_private` of a file, which is given to who shows the bot's token. */
  hostFile(name: string, bytes: Buffer, contentType: string): string {
    this.#hosted.set(`/files-pri/${name}`, { bytes, contentType })
    return `${this.url}/files-pri/${name}`
  }

  /** A person's message as an event's payload. Fields given replace those of the event. */
  message(text: string, fields: Record<string, unknown> = {}): Record<string, unknown> {
    const ts = this.newTs()
    const usual = {
      type: 'message',
      user: 'U0ADA0001',
      text,
      ts,
      event_ts: ts,
      channel: 'D0DIRECT1',
      channel_type: 'im',
    }
    return this.payload({ ...usual, team: slackTeam, ...fields })
  }

  payload(event: Record<string, unknown>): Record<string, unknown> {
    return {
      token: 'verification-token',
      team_id: slackTeam,
      api_app_id: appId,
      event,
      type: 'event_callback',
      event_id: `Ev${this.newTs().slice(-6)}`,
      event_time: 1_772_000_000,
      authorizations: [{ enterprise_id: null, team_id: slackTeam, user_id: slackBotUser, is_bot: true }],
    }
  }

  /** A pressed button as a payload. */
  pressed(value: string, fields: Record<string, unknown> = {}): Record<string, unknown> {
    const message_ts = '1772000000.900001'
    return {
      type: 'block_actions',
      user: { id: 'U0ADA0001', username: 'ada', name: 'ada', team_id: slackTeam },
      api_app_id: appId,
      team: { id: slackTeam, domain: 'tests' },
      channel: { id: 'D0DIRECT1', name: 'directmessage' },
      container: { type: 'message_attachment', message_ts, channel_id: 'D0DIRECT1', is_ephemeral: false },
      message: { type: 'message', user: slackBotUser, ts: message_ts, text: 'May I?' },
      trigger_id: '1.2.3',
      actions: [{ type: 'button', action_id: 'button-0', block_id: 'b', value, action_ts: this.newTs() }],
      ...fields,
    }
  }

  /** Sends a payload by Socket Mode, now and on each new connection until it is acknowledged. Resolves with nothing. */
  deliver(payload: unknown): string {
    const type = (payload as { type?: unknown } | null)?.type === 'block_actions' ? 'interactive' : 'events_api'
    const envelope: Envelope = { envelope_id: `envelope-${this.newTs()}`, type, payload }
    this.#open.set(envelope.envelope_id, envelope)
    for (const socket of this.#socket.clients) this.#sendEnvelope(socket, envelope)
    return envelope.envelope_id
  }

  /** Posts a payload to a webhook, signed; presses go as a form, as Slack sends them. */
  async pushWebhook(url: string, payload: unknown, { secret = slackSigningSecret } = {}): Promise<Response> {
    const pressed = (payload as { type?: unknown } | null)?.type === 'block_actions'
    const json = JSON.stringify(payload)
    const body = pressed ? new URLSearchParams({ payload: json }).toString() : json
    const contentType = pressed ? 'application/x-www-form-urlencoded' : 'application/json'
    return fetch(url, {
      method: 'POST',
      headers: { 'content-type': contentType, ...this.sign(body, { secret }) },
      body,
    })
  }

  /** The headers by which Slack vouches for a body. */
  sign(
    body: string,
    { secret = slackSigningSecret, at = Math.floor(Date.now() / 1_000) }: { secret?: string; at?: number } = {},
  ): Record<string, string> {
    const digest = createHmac('sha256', secret).update(`v0:${at}:${body}`).digest('hex')
    return { 'x-slack-request-timestamp': String(at), 'x-slack-signature': `v0=${digest}` }
  }

  /** Sends a frame as it is. */
  frame(text: string): void {
    for (const socket of this.#socket.clients) socket.send(text)
  }

  /** Slack wants the connection made anew, as it does every few hours. */
  askToReconnect(): void {
    this.frame(JSON.stringify({ type: 'disconnect', reason: 'refresh_requested' }))
  }

  dropSocket(): void {
    for (const socket of this.#socket.clients) socket.terminate()
  }

  override async close(): Promise<void> {
    this.dropSocket()
    this.#socket.close()
    await super.close()
  }

  #greet(socket: WebSocket, request: IncomingMessage): void {
    const ticket = new URL(request.url ?? '/', this.url).searchParams.get('ticket') ?? ''
    socket.on('error', () => {})
    if (!this.#tickets.delete(ticket)) {
      socket.close(1008)
      return
    }
    this.events.emit('connected')
    if (this.silentSocket) return
    socket.on('message', (data) => this.#hear(String(data)))
    socket.send(JSON.stringify({ type: 'hello', num_connections: 1, connection_info: { app_id: appId } }))
    for (const envelope of this.#open.values()) this.#sendEnvelope(socket, envelope)
  }

  #sendEnvelope(socket: WebSocket, envelope: Envelope): void {
    const more = { accepts_response_payload: envelope.type === 'interactive', retry_attempt: 0, retry_reason: '' }
    socket.send(JSON.stringify({ ...envelope, ...more }))
  }

  #hear(text: string): void {
    const { envelope_id } = JSON.parse(text) as { envelope_id: string }
    this.#open.delete(envelope_id)
    this.acknowledged.push(envelope_id)
    this.events.emit('acknowledged', envelope_id)
  }

  protected async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', this.url)
    const body = await bodyOf(request)
    const bearer = request.headers.authorization?.replace('Bearer ', '')
    const [, area, name = ''] = pathname.split('/')
    this.requests.push(area === 'api' ? name : (area ?? ''))
    queueMicrotask(() => this.events.emit('request', name))
    const fault = this.faults.take(pathname)
    if (failed(fault, request, response)) return
    const file = this.#hosted.get(pathname)
    if (file) {
      // Without a token Slack sends who asks to where people sign in.
      if (bearer !== slackBotToken) response.writeHead(302, { location: 'https://slack.com/' }).end()
      else response.writeHead(200, { 'content-type': file.contentType }).end(file.bytes)
      return
    }
    const upload = area === 'upload' ? this.#uploads.get(name) : undefined
    if (upload) {
      upload.bytes = body
      response.writeHead(body.length === upload.length ? 200 : 400).end(`OK - ${body.length}`)
      return
    }
    if (area !== 'api') return answerJson(response, 404, 'not found')
    const answer = this.#answer(name, paramsOf(body.toString()), bearer)
    if (fault === 'drop_after') request.socket.destroy()
    else answerJson(response, 200, answer)
  }

  #answer(method: string, params: Record<string, unknown>, bearer: string | undefined): Record<string, unknown> {
    const expected = method === 'apps.connections.open' ? slackAppToken : slackBotToken
    if (bearer !== expected) return refused(bearer === undefined ? 'not_authed' : 'invalid_auth')
    const refusal = this.refusals.get(String(params.channel ?? params.channel_id))
    if (refusal !== undefined) return refused(refusal)
    switch (method) {
      case 'auth.test':
        return { ok: true, user: 'keel', user_id: slackBotUser, team: 'Tests', team_id: slackTeam, bot_id: 'B0KEEL001' }
      case 'apps.connections.open': {
        const ticket = `ticket-${this.newTs()}`
        this.#tickets.add(ticket)
        return { ok: true, url: `ws://${this.host}/link?ticket=${ticket}&app_id=${appId}` }
      }
      case 'chat.postMessage':
        return this.#post(params)
      case 'chat.update':
        return this.#update(params)
      case 'chat.postEphemeral':
        this.ephemeral.push(params)
        return { ok: true, message_ts: this.newTs() }
      case 'files.getUploadURLExternal':
        return this.#placeUpload(params)
      case 'files.completeUploadExternal':
        return this.#completeUpload(params)
      default:
        return refused('unknown_method')
    }
  }

  #post(params: Record<string, unknown>): Record<string, unknown> {
    const text = String(params.text ?? '')
    if (text === '') return refused('no_text')
    const ts = this.newTs()
    const channel = String(params.channel)
    const thread_ts = typeof params.thread_ts === 'string' ? params.thread_ts : null
    const client_msg_id = typeof params.client_msg_id === 'string' ? params.client_msg_id : null
    this.sent.push({ ts, channel, thread_ts, text, client_msg_id, params, former: [] })
    this.events.emit('sent')
    return { ok: true, channel, ts, message: { type: 'message', text, ts, user: slackBotUser } }
  }

  #update(params: Record<string, unknown>): Record<string, unknown> {
    const message = this.sent.find(({ ts, channel }) => ts === params.ts && channel === params.channel)
    if (!message) return refused('message_not_found')
    message.former.push(message.text)
    message.text = String(params.text)
    message.params = params
    this.events.emit('edited')
    return { ok: true, channel: message.channel, ts: message.ts, text: message.text }
  }

  #placeUpload({ filename, length }: Record<string, unknown>): Record<string, unknown> {
    const file_id = `F${this.newTs().slice(-6)}`
    this.#uploads.set(file_id, { filename: String(filename), length: Number(length), bytes: null })
    return { ok: true, file_id, upload_url: this.uploadUrl ?? `${this.url}/upload/${file_id}` }
  }

  #completeUpload(params: Record<string, unknown>): Record<string, unknown> {
    const [given] = params.files as { id: string; title: string }[]
    const upload = this.#uploads.get(given?.id ?? '')
    if (!upload?.bytes) return refused('file_not_found')
    this.files.push({ filename: upload.filename, bytes: upload.bytes, params })
    this.events.emit('sent')
    return { ok: true, files: [given] }
  }
}

function refused(error: string): Record<string, unknown> {
  return { ok: false, error }
}

/** Slack's client sends lists and objects as JSON within a form. */
function paramsOf(body: string): Record<string, unknown> {
  const entries = [...new URLSearchParams(body)].map(([key, value]) => [
    key,
    /^[[{]/.test(value) && key !== 'text' ? JSON.parse(value) : value,
  ])
  return Object.fromEntries(entries)
}
