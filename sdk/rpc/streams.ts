import type { z } from 'zod'
import { RuntimeError } from '../errors.ts'

/** How many chunks may be under way before the reader has taken the first of them. */
export const creditWindow = 64

/** The sender's side: `take` settles once the reader has room for one more chunk. */
export class ChunkCredit {
  #room: number
  #released = false
  readonly #waiting: (() => void)[] = []

  constructor(initial: number) {
    this.#room = initial
  }

  add(chunks: number): void {
    if (!(chunks > 0)) return
    this.#room = Math.min(this.#room + chunks, creditWindow)
    while (this.#room > 0 && this.#waiting.length > 0) {
      this.#room -= 1
      this.#waiting.shift()?.()
    }
  }

  /** In the order of the calls: chunks that one handler emits at once leave as they came. */
  async take(): Promise<void> {
    if (this.#released) return
    if (this.#room > 0) {
      this.#room -= 1
      return
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Nobody reads any more: whoever waits for room goes on, and finds the call ended. */
  release(): void {
    this.#released = true
    for (const resume of this.#waiting.splice(0)) resume()
  }
}

interface ReaderEvents {
  /** There is room for so many more chunks. */
  onRoom: (chunks: number) => void
  onFailure: (thrown: unknown) => void
}

/** The reader's side: hands chunks on one at a time, in order, and gives room back as they are taken. */
export class ChunkReader {
  readonly #schema: z.ZodType
  readonly #onChunk: (chunk: unknown) => unknown
  readonly #events: ReaderEvents
  #queue = Promise.resolve()
  #pending = 0
  #taken = 0
  #stopped = false

  constructor(schema: z.ZodType, onChunk: (chunk: unknown) => unknown, events: ReaderEvents) {
    this.#schema = schema
    this.#onChunk = onChunk
    this.#events = events
  }

  push(raw: unknown): void {
    if (this.#stopped) return
    // The sender was told how much room there is; without this bound it decides how much memory is held here.
    if (this.#pending >= creditWindow) {
      this.#fail(new RuntimeError('internal', 'More chunks came than there was room for'))
      return
    }
    this.#pending += 1
    this.#queue = this.#queue.then(() => this.#take(raw)).catch((thrown) => this.#fail(thrown))
  }

  /** Settles when every chunk before the result has been taken. */
  finished(): Promise<void> {
    return this.#queue
  }

  /** Chunks still queued are dropped; the one being taken is not waited for. */
  stop(): void {
    this.#stopped = true
  }

  async #take(raw: unknown): Promise<void> {
    if (this.#stopped) return
    const chunk = this.#schema.safeParse(raw)
    if (!chunk.success) throw new RuntimeError('internal', 'A chunk is not what the contract says')
    await this.#onChunk(chunk.data)
    this.#taken += 1
    if (this.#taken < creditWindow / 2) return
    this.#pending -= this.#taken
    this.#events.onRoom(this.#taken)
    this.#taken = 0
  }

  #fail(thrown: unknown): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#events.onFailure(thrown)
  }
}
