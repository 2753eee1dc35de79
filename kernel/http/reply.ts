import type { ServerResponse } from 'node:http'
import { SseStream } from './sse.ts'

class Answered {
  // Private, so that nothing else has this type.
  readonly #through = 'reply'
  toString() {
    return `answered through ${this.#through}`
  }
}

/** What a handler returns when it has answered through `reply`. */
export const answered = new Answered()

/** The parts of an answer that are not its JSON. */
export class Reply {
  readonly #response: ServerResponse
  #stream: SseStream | undefined

  constructor(response: ServerResponse) {
    this.#response = response
  }

  header(name: string, value: string | number): this {
    this.#response.setHeader(name, value)
    return this
  }

  /** The status of a good answer; 200 unless told. */
  status(code: number): this {
    this.#response.statusCode = code
    return this
  }

  /** Answers with something that is not JSON. `type` is the whole content-type. */
  text(body: string | Uint8Array, type = 'text/plain; charset=utf-8'): typeof answered {
    this.#response.setHeader('content-type', type)
    this.#response.setHeader('content-length', Buffer.byteLength(body))
    this.#response.end(body)
    return answered
  }

  /** Answers without a body. */
  empty(code = 204): typeof answered {
    this.#response.statusCode = code
    this.#response.end()
    return answered
  }

  /** Begins a stream of events; there is one for each answer. */
  sse(options: { signal?: AbortSignal } = {}): SseStream {
    this.#stream ??= new SseStream(this.#response, options.signal)
    return this.#stream
  }

  /** The stream, when one was begun. */
  get stream(): SseStream | undefined {
    return this.#stream
  }
}
