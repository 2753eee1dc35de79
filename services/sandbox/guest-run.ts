import { RuntimeError } from '#sdk/errors.ts'
import type { GuestAnswer, GuestCall, GuestProgress } from '#sdk/services/sandbox.ts'
import { answerOf, namedFaultOf, successOf } from './answers.ts'
import { type Cell, GuestEnded, type Visit } from './cell.ts'
import type { GuestSend, GuestStart } from './guest-runtime.ts'
import { HostCalls, type PerformHost } from './host-calls.ts'

/** What a guest may do once its caller has cancelled, in milliseconds. */
const cancelGraceMs = 100

export interface RunTerms {
  signal: AbortSignal
  performHost: PerformHost
  onProgress(progress: GuestProgress): void
}

/** One tool's run in a context of its own, from its start until its cell is free again. */
export class GuestRun {
  /** What goes wrong in the guest is an answer. */
  readonly answer: Promise<GuestAnswer>
  /** Settles when the cell can be used for another call, or has ended. */
  readonly free: Promise<void>
  readonly #cell: Cell
  readonly #call: GuestCall
  readonly #terms: RunTerms
  readonly #host: HostCalls
  readonly #settled = Promise.withResolvers<GuestAnswer>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #visit: Visit | undefined

  constructor(cell: Cell, call: GuestCall, terms: RunTerms) {
    this.#cell = cell
    this.#call = call
    this.#terms = terms
    this.#host = new HostCalls(call, terms.performHost, terms.signal)
    this.answer = this.#untilCancelled()
    this.free = this.#live()
  }

  async #live(): Promise<void> {
    const { limits } = this.#call
    const tooLong = new GuestEnded('timeout', `It did not answer within ${limits.wall_ms} ms`)
    this.#later(limits.wall_ms, () => this.#cell.end(tooLong))
    this.#cell.onEnd = (why) => this.#fail(why)
    const onAbort = () => this.#cancel()
    if (this.#terms.signal.aborted) onAbort()
    else this.#terms.signal.addEventListener('abort', onAbort, { once: true })
    this.#enter().catch((thrown) => this.#fail(thrown))
    await this.#settled.promise.catch(() => {})
    this.#terms.signal.removeEventListener('abort', onAbort)
    for (const timer of this.#timers) clearTimeout(timer)
    this.#host.end()
    await this.#cell.settle()
    this.#visit?.leave()
    this.#cell.onEnd = undefined
  }

  async #enter(): Promise<void> {
    const { tool, input, settings, limits } = this.#call
    const start: GuestStart = {
      tool,
      input: JSON.stringify(input),
      settings: JSON.stringify(settings),
      host: this.#host.grants,
      hostCalls: limits.host_calls,
      outputChars: limits.output_bytes,
    }
    this.#visit = await this.#cell.visit(limits.cpu_ms, (...message) => this.#take(...message))
    await this.#visit.begin('start', JSON.stringify(start))
  }

  readonly #take: GuestSend = (kind, id, text, more) => {
    switch (kind) {
      case 'done':
        this.#settled.resolve(successOf(text, more === 1, this.#call.limits.output_bytes))
        return
      case 'fault':
        this.#settled.resolve(namedFaultOf(more, text))
        return
      case 'host':
        void this.#host.perform(String(more), text).then((performed) => {
          if (performed && 'answer' in performed) this.#tell('answer', id, performed.answer)
          else if (performed) this.#tell('refuse', id, performed.refusal)
        })
        return
      case 'progress':
        this.#terms.onProgress({ message: text, fraction: typeof more === 'number' ? more : null })
        return
      case 'timer':
        this.#later(Math.min(Number(more), this.#call.limits.wall_ms), () => this.#tell('timer', id))
    }
  }

  #tell(...said: Parameters<Visit['tell']>): void {
    this.#visit?.tell(...said).catch((thrown) => this.#fail(thrown))
  }

  #fail(thrown: unknown): void {
    this.#settled.resolve(Promise.try(answerOf, thrown))
  }

  /** The guest is told, may tidy up for a moment, and is ended. */
  #cancel(): void {
    this.#host.end()
    this.#tell('abort', 'The caller cancelled the call')
    this.#later(cancelGraceMs, () => this.#cell.end(new GuestEnded('timeout', 'Its caller cancelled the call')))
  }

  async #untilCancelled(): Promise<GuestAnswer> {
    const { signal } = this.#terms
    const cancelled = Promise.withResolvers<never>()
    const onAbort = () => cancelled.reject(new RuntimeError('cancelled'))
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      signal.throwIfAborted()
      return await Promise.race([this.#settled.promise, cancelled.promise])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  #later(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      act()
    }, ms)
    this.#timers.add(timer)
  }
}
