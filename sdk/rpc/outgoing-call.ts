import { RuntimeError, toRuntimeError } from '../errors.ts'
import type { CallOptions, Method } from '../service.ts'
import { ChunkReader } from './streams.ts'

/** What a call tells the peer that sent it. */
export interface OutgoingSink {
  /** There is room for so many more chunks. */
  giveRoom: (id: number, chunks: number) => void
  /** The call ended on this side, before the callee had answered or its chunks were taken. */
  giveUp: (id: number, error: RuntimeError) => void
}

/** A call that waits for its answer: until its deadline, its caller's patience, or the end of the wire. */
export class OutgoingCall {
  readonly name: string
  readonly timeoutMs: number
  /** Only for callers that want chunks. */
  readonly reader: ChunkReader | undefined
  /** Set where this side ended the call, rather than the callee: what the caller is told. */
  failure: RuntimeError | undefined
  /** The callee has answered; chunks sent before the answer may still be on their way to the caller. */
  answered = false
  readonly #id: number
  readonly #signal: AbortSignal | undefined
  readonly #onAbort: (() => void) | undefined
  readonly #sink: OutgoingSink
  readonly #broken: PromiseWithResolvers<void> | undefined
  readonly #timer: NodeJS.Timeout

  constructor(id: number, name: string, declared: Method, options: CallOptions, sink: OutgoingSink) {
    const { signal, onChunk, timeoutMs = declared.timeoutMs } = options
    this.timeoutMs = Math.min(timeoutMs, declared.timeoutMs)
    this.#id = id
    this.name = name
    this.#sink = sink
    this.#timer = setTimeout(expire, this.timeoutMs, this)
    if (signal) {
      this.#signal = signal
      this.#onAbort = () => this.fail(cancelledBy(signal))
      signal.addEventListener('abort', this.#onAbort, { once: true })
    }
    if (declared.chunk && onChunk) {
      this.#broken = Promise.withResolvers()
      this.reader = new ChunkReader(declared.chunk, onChunk, {
        onRoom: (chunks) => sink.giveRoom(id, chunks),
        onFailure: (thrown) => this.fail(toRuntimeError(thrown)),
      })
    }
  }

  fail(error: RuntimeError): void {
    if (this.failure) return
    this.failure = error
    this.reader?.stop()
    this.#broken?.resolve()
    this.#sink.giveUp(this.#id, error)
  }

  /** After the answer: settles when the caller has taken every chunk before it, or waits no longer. */
  async chunksTaken(): Promise<void> {
    if (this.reader && !this.failure) await Promise.race([this.reader.finished(), this.#broken?.promise])
  }

  /** The caller has its answer, or its error. */
  settle(): void {
    clearTimeout(this.#timer)
    if (this.#onAbort) this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}

function expire(call: OutgoingCall): void {
  call.fail(deadlinePassed(call.name, call.timeoutMs))
}

/** Said in the same words by whichever end notices first. */
export function deadlinePassed(method: string, timeoutMs: number): RuntimeError {
  return new RuntimeError('timeout', `${method} did not answer within ${Math.ceil(timeoutMs)} ms`)
}

/** What a caller is told when its own signal ended the call. */
export function cancelledBy(signal: AbortSignal | undefined): RuntimeError {
  const reason: unknown = signal?.reason
  return reason instanceof RuntimeError
    ? reason
    : new RuntimeError('cancelled', undefined, undefined, { cause: reason })
}
