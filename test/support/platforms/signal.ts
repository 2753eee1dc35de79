import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerJson, bodyOf, failed } from './faults.ts'
import { LoopbackPlatform } from './loopback-platform.ts'

type Json = Record<string, unknown>

export const signalNumber = '+4915112345678'
export const signalAccountId = '11111111-1111-4111-8111-111111111111'
const ada = '+441234567890'
const keptEvents = 1_000

/**
 * signal-cli's daemon on loopback: its stream of events and the commands of its JSON-RPC that a bot uses. `events` tells
 * of `request`, `listening` and `sent`. Faults go by a call's method; those of the stream by its path.
 */
export class FakeSignal extends LoopbackPlatform {
  /** The parameters of each message that was sent. */
  readonly sent: Json[] = []
  readonly typing: Json[] = []
  /** The method of each call. */
  readonly calls: string[] = []
  /** From which event each listener went on. */
  readonly resumed: (string | null)[] = []
  /** Where false, it is of the time before events had ids. */
  numbersEvents = true
  /** Where true, it serves one account and lists none. */
  singleAccount = false
  /** How the next messages end, one after the other; then all are delivered. */
  readonly results: Json[][] = []
  readonly #files = new Map<string, Buffer>()
  readonly #listeners = new Set<ServerResponse>()
  readonly #kept: { id: number; data: string }[] = []
  #eventId = 0
  #clock = 1_700_000_000_000

  /** A person's message; its time is the answer. Fields given replace the usual ones. */
  say(message: string | null, data: Json = {}, envelope: Json = {}): number {
    const timestamp = this.#clock++
    this.receive({ dataMessage: { timestamp, message, expiresInSeconds: 0, viewOnce: false, ...data }, ...envelope })
    return timestamp
  }

  /** Any envelope. */
  receive(envelope: Json): void {
    const usual = { source: ada, sourceNumber: ada, sourceUuid: null, sourceName: 'Ada', sourceDevice: 1 }
    this.push({ envelope: { ...usual, timestamp: this.#clock++, ...envelope }, account: signalNumber })
  }

  /** Any event. */
  push(data: unknown): void {
    const event = { id: ++this.#eventId, data: typeof data === 'string' ? data : JSON.stringify(data) }
    this.#kept.push(event)
    this.#kept.splice(0, this.#kept.length - keptEvents)
    for (const listener of this.#listeners) this.#write(listener, event)
  }

  /** Ends the streams. */
  dropListeners(): void {
    for (const listener of this.#listeners) listener.destroy()
  }

  /** A file that came with a message. */
  hostFile(chat: string, id: string, bytes: Buffer): void {
    this.#files.set(`${chat} ${id}`, bytes)
  }

  protected async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url)
    if (url.pathname === '/api/v1/events') {
      this.events.emit('request')
      if (failed(this.faults.take(url.pathname), request, response)) return
      return this.#listen(request, response, url)
    }
    if (url.pathname !== '/api/v1/rpc' || request.method !== 'POST') return answerJson(response, 404, '')
    const { method, params, id } = JSON.parse((await bodyOf(request)).toString()) as {
      method: string
      params: Json
      id: string
    }
    this.calls.push(method)
    this.events.emit('request')
    const fault = this.faults.take(method)
    if (failed(fault, request, response)) return
    const answer = this.#call(method, params)
    if (fault === 'drop_after') request.socket.destroy()
    else answerJson(response, 200, { jsonrpc: '2.0', ...answer, id })
  }

  #call(method: string, params: Json): { result: unknown } | { error: Json } {
    if (!this.singleAccount && method !== 'version' && method !== 'listAccounts' && params.account !== signalNumber) {
      return { error: { code: -32602, message: 'Specified account does not exist', data: null } }
    }
    switch (method) {
      case 'version':
        return { result: { version: '0.14.0' } }
      case 'listAccounts':
        if (this.singleAccount) return { error: { code: -32601, message: 'Method not implemented', data: null } }
        return { result: [{ number: signalNumber, aci: signalAccountId }] }
      case 'sendTyping':
        this.typing.push(params)
        return { result: { timestamp: this.#clock++, results: [{ type: 'SUCCESS' }] } }
      case 'send':
        return this.#send(params)
      case 'getAttachment': {
        const bytes = this.#files.get(`${params.groupId ?? params.recipient} ${params.id}`)
        if (bytes) return { result: { data: bytes.toString('base64') } }
        return { error: { code: -1, message: 'Could not find attachment', data: null } }
      }
      default:
        return { error: { code: -32601, message: 'Method not implemented', data: null } }
    }
  }

  #send(params: Json): { result: unknown } | { error: Json } {
    const results = this.results.shift() ?? [{ type: 'SUCCESS' }]
    const response = { timestamp: this.#clock++, results }
    const delivered = results.some(({ type }) => type === 'SUCCESS')
    if (!delivered) return { error: { code: -1, message: 'Failed to send message', data: { response } } }
    this.sent.push({ ...params, timestamp: response.timestamp })
    this.events.emit('sent')
    return { result: response }
  }

  #listen(request: IncomingMessage, response: ServerResponse, { searchParams }: URL): void {
    if (searchParams.get('account') !== signalNumber) {
      answerJson(response, 400, {})
      return
    }
    const after = request.headers['last-event-id'] ?? null
    this.resumed.push(after === null ? null : String(after))
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(':\n')
    if (this.numbersEvents && after !== null) {
      const known = this.#kept.findIndex(({ id }) => String(id) === after)
      for (const event of this.#kept.slice(known + 1)) this.#write(response, event)
    }
    this.#listeners.add(response)
    response.on('close', () => this.#listeners.delete(response))
    this.events.emit('listening')
  }

  #write(listener: ServerResponse, { id, data }: { id: number; data: string }): void {
    listener.write(`event:receive\n${this.numbersEvents ? `id:${id}\n` : ''}data:${data}\n\n`)
  }
}
