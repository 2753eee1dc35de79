import { StringDecoder } from 'node:string_decoder'

const maxLineLength = 500
/** So many times the limit is read and let go before the run is ended for it. */
const patience = 4

/** The beginning of what a program writes, whole characters only. */
export class KeptOutput {
  readonly #maxBytes: number
  readonly #onLine: ((line: string) => void) | undefined
  readonly #decoder = new StringDecoder('utf8')
  #text = ''
  #kept = 0
  #seen = 0
  #line = ''

  constructor(maxBytes: number, onLine?: (line: string) => void) {
    this.#maxBytes = maxBytes
    this.#onLine = onLine
  }

  /** False once so much has been written that the program should be ended. */
  add(chunk: Buffer): boolean {
    this.#seen += chunk.length
    const part = chunk.subarray(0, Math.max(0, this.#maxBytes - this.#kept))
    this.#kept += part.length
    const text = this.#decoder.write(part)
    this.#text += text
    if (this.#onLine) this.#tell(text)
    return this.#seen <= this.#maxBytes * patience
  }

  text(): string {
    const left = this.#seen - this.#kept
    return left === 0 ? this.#text : `${this.#text}\n[cut: ${left} more bytes]`
  }

  #tell(text: string): void {
    const lines = (this.#line + text).split('\n')
    this.#line = (lines.pop() ?? '').slice(0, maxLineLength)
    for (const line of lines) if (line.trim() !== '') this.#onLine?.(line.slice(0, maxLineLength))
  }
}
