import type { ServerResponse } from 'node:http'
import { answered } from './reply.ts'

const keepAliveMs = 15_000
/** How long the last event of a broken stream has to be read, in milliseconds: many clients drop it with the connection. */
const breakOffDelayMs = 100
const lineBreak = /\r\n|\r|\n/

/**
 * A stream of server-sent events. The head leaves with the first write, so that what fails before it is still
 * answered with a status. After the end, or once the client is gone, writes do nothing.
 */
export class SseStream {
  /** Aborts when the client is gone or the stream has ended. */
  readonly closed: AbortSignal
  readonly #response: ServerResponse
  readonly #closing = new AbortController()
  readonly #keepAlive: NodeJS.Timeout

  /** `signal`: ends the stream from outside. */
  constructor(response: ServerResponse, signal?: AbortSignal) {
    this.#response = response
    this.closed = this.#closing.signal
    response.setHeader('content-type', 'text/event-stream; charset=utf-8')
    response.setHeader('cache-control', 'no-cache, no-transform')
    response.setHeader('x-accel-buffering', 'no')
    this.#keepAlive = setInterval(() => this.comment('keep-alive'), keepAliveMs)
    response.once('close', () => this.#finish())
    signal?.addEventListener('abort', () => this.end(), { once: true, signal: this.closed })
    if (signal?.aborted) this.end()
  }

  /** Sends the head at once, for clients that wait for it. */
  open(): void {
    if (!this.closed.aborted) this.#response.flushHeaders()
  }

  /** One event without a name. A string is sent as it is, anything else as JSON. Settles when there is room for the next. */
  send(value: unknown): Promise<void> {
    return this.#write(`${dataLines(value)}\n`)
  }

  event(name: string, value: unknown): Promise<void> {
    return this.#write(`event: ${name}\n${dataLines(value)}\n`)
  }

  /** A line that clients skip; it is left out while the client is slow. */
  comment(text = ''): void {
    if (!this.closed.aborted && !this.#response.writableNeedDrain) this.#response.write(`: ${text}\n\n`)
  }

  /** Ends the answer; what a handler returns as its last word. */
  end(): typeof answered {
    if (!this.closed.aborted) {
      this.#response.end()
      this.#finish()
    }
    return answered
  }

  /** Ends the connection without ending the answer, which then looks whole to nobody, whatever they make of its last event. */
  breakOff(): void {
    if (this.closed.aborted) return
    this.#finish()
    setTimeout(() => this.#response.socket?.destroySoon(), breakOffDelayMs)
  }

  #write(text: string): Promise<void> {
    if (this.closed.aborted) return Promise.resolve()
    this.#keepAlive.refresh()
    if (this.#response.write(text)) return Promise.resolve()
    return new Promise((resolve) => {
      const settle = () => {
        this.#response.off('drain', settle)
        this.closed.removeEventListener('abort', settle)
        resolve()
      }
      this.#response.once('drain', settle)
      this.closed.addEventListener('abort', settle, { once: true })
    })
  }

  #finish() {
    clearInterval(this.#keepAlive)
    this.#closing.abort()
  }
}

function dataLines(value: unknown): string {
  if (typeof value !== 'string') return `data: ${JSON.stringify(value)}\n`
  if (!lineBreak.test(value)) return `data: ${value}\n`
  return value
    .split(lineBreak)
    .map((line) => `data: ${line}\n`)
    .join('')
}
