import { RuntimeError, toRuntimeError } from '../errors.ts'
import type { CallOptions, Method } from '../service.ts'
import { ChunkReader } from './streams.ts'

interface OutgoingEvents {
  onRoom: (chunks: number) => void
  /** The call ended on this side, before the callee had answered. */
  onFailure: (error: RuntimeError) => void
}

/** A call that waits for its answer: until its deadline, its caller's patience, or the end of the wire. */
export class OutgoingCall {
  readonly timeoutMs: number
  /** Only for callers that want chunks. */
  readonly reader: ChunkReader | undefined
  /** Set where this side ended the call, rather than the callee: what the caller is told. */
  failure: RuntimeError | undefined
  /** The callee has answered; chunks sent before the answer may still be on their way to the caller. */
  answered = false
  readonly #signal: AbortSignal | undefined
  readonly #events: OutgoingEvents
  readonly #broken: PromiseWithResolvers<void> | undefined
  readonly #timer: NodeJS.Timeout

  constructor(name: string, declared: Method, options: CallOptions, events: OutgoingEvents) {
    this.timeoutMs = Math.min(options.timeoutMs ?? declared.timeoutMs, declared.timeoutMs)
    this.#events = events
    this.#timer = setTimeout(() => this.fail(deadlinePassed(name, this.timeoutMs)), this.timeoutMs)
    this.#signal = options.signal
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (declared.chunk && options.onChunk) {
      this.#broken = Promise.withResolvers()
      this.reader = new ChunkReader(declared.chunk, options.onChunk, {
        onRoom: events.onRoom,
        onFailure: (thrown) => this.fail(toRuntimeError(thrown)),
      })
    }
  }

  fail(error: RuntimeError): void {
    if (this.failure) return
    this.failure = error
    this.reader?.stop()
    this.#broken?.resolve()
    this.#events.onFailure(error)
  }

  /** After the answer: settles when the caller has taken every chunk before it, or waits no longer. */
  async chunksTaken(): Promise<void> {
    if (this.reader && !this.failure) await Promise.race([this.reader.finished(), this.#broken?.promise])
  }

  /** The caller has its answer, or its error. */
  settle(): void {
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = () => this.fail(cancelledBy(this.#signal))
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
