import type { Readable, Writable } from 'node:stream'
import type { ConnectOverCDPTransport } from 'playwright'

/** Of one message of the browser, in bytes. Pages can have arbitrarily long ones sent: a line on the console is enough. */
const maxMessageBytes = 33_554_432
/** What is kept of a longer one, at its begin and at its end: enough to tell whose answer it was. */
const keptBytes = 256

/** Chromium's own protocol over its pipes: JSON texts, each ended by a NUL. A message that is too long is refused. */
export class PipeTransport implements ConnectOverCDPTransport {
  onmessage?: (message: object) => void
  onclose?: (reason?: string) => void
  readonly #output: Writable
  #parts: Buffer[] = []
  #bytes = 0
  #closed = false

  constructor(output: Writable, input: Readable) {
    this.#output = output
    input.on('data', (bytes: Buffer) => this.#read(bytes))
    input.once('close', () => this.close())
    // A pipe that breaks closes too, and that is what counts.
    input.on('error', () => {})
    output.on('error', () => {})
  }

  send(message: object): void {
    if (this.#closed) throw new Error('The browser has ended')
    this.#output.write(`${JSON.stringify(message)}\0`)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#output.end()
    this.onclose?.()
  }

  #read(bytes: Buffer): void {
    let start = 0
    for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, start)) {
      this.#keep(bytes.subarray(start, end))
      this.#deliver()
      start = end + 1
    }
    this.#keep(bytes.subarray(start))
  }

  #keep(part: Buffer): void {
    this.#bytes += part.length
    this.#parts.push(part)
    if (this.#bytes <= maxMessageBytes) return
    const kept = Buffer.concat(this.#parts)
    this.#parts = [kept.subarray(0, keptBytes), kept.subarray(-keptBytes)].map((end) => Buffer.from(end))
  }

  #deliver(): void {
    const text = Buffer.concat(this.#parts).toString()
    const message = this.#bytes > maxMessageBytes ? refusalOf(text) : JSON.parse(text)
    this.#parts = []
    this.#bytes = 0
    // Playwright expects each in a turn of its own: between two it gets ready for the second.
    if (message) setImmediate(() => this.onmessage?.(message))
  }
}

/** What whoever asked is told instead of an answer; nothing of a mere event. */
function refusalOf(text: string): object | undefined {
  const id = /^\{"id":(\d+)/.exec(text)?.[1]
  const sessionId = /"sessionId":"(\w+)"\}$/.exec(text)?.[1]
  if (id === undefined) return undefined
  const error = { code: -32_000, message: `The answer has more than ${maxMessageBytes} bytes` }
  return { id: Number(id), error, ...(sessionId !== undefined && { sessionId }) }
}
