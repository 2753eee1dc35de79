import type { RuntimeError } from '../errors.ts'
import type { CallContext, Method } from '../service.ts'
import type { Request } from './message.ts'
import { deadlinePassed } from './outgoing-call.ts'
import { ChunkCredit, creditWindow } from './streams.ts'

/** What a handler is told beside its parameters. A handler that never asks for the signal pays nothing for it. */
export class IncomingCall implements CallContext {
  readonly #method: string
  readonly #timeoutMs: number
  readonly #deadline: number
  readonly #credit: ChunkCredit | undefined
  readonly #sendChunk: (chunk: unknown) => Promise<void> | undefined
  #abort: AbortController | undefined
  #timer: NodeJS.Timeout | undefined
  #ended: RuntimeError | undefined

  constructor(request: Request, declared: Method, sendChunk: (chunk: unknown) => Promise<void> | undefined) {
    this.#method = request.method
    this.#timeoutMs = patience(request.timeout_ms, declared.timeoutMs)
    this.#deadline = performance.now() + this.#timeoutMs
    // A caller that offers no room, as a plain JSON-RPC client does, has not asked for chunks.
    if (declared.chunk && typeof request.credit === 'number') {
      this.#credit = new ChunkCredit(Math.min(request.credit, creditWindow))
    }
    this.#sendChunk = sendChunk
  }

  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController()
      if (this.#ended) this.#abort.abort(this.#ended)
      else
        this.#timer = setTimeout(
          () => this.end(deadlinePassed(this.#method, this.#timeoutMs)),
          this.#deadline - performance.now(),
        )
    }
    return this.#abort.signal
  }

  readonly emit = async (chunk: unknown): Promise<void> => {
    if (this.#ended) throw this.#ended
    if (!this.#credit) return
    // From here the deadline holds, whether the handler has asked for the signal or not.
    const { signal } = this
    await this.#credit.take()
    signal.throwIfAborted()
    await this.#sendChunk(chunk)
  }

  addCredit(chunks: unknown): void {
    if (typeof chunks === 'number') this.#credit?.add(chunks)
  }

  /** The caller has gone or waits no longer: the handler's signal says so. */
  end(reason: RuntimeError): void {
    this.#ended ??= reason
    this.#abort?.abort(this.#ended)
    this.#credit?.release()
  }

  /** Why nobody waits for the answer any more. */
  get ended(): RuntimeError | undefined {
    return this.#ended
  }

  /** The handler has settled. */
  settle(): void {
    clearTimeout(this.#timer)
  }
}

/** A caller may wait less long than the method says, not longer. */
function patience(given: unknown, declaredMs: number): number {
  return typeof given === 'number' && given > 0 ? Math.min(given, declaredMs) : declaredMs
}
