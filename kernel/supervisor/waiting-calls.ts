import { RuntimeError } from '#sdk/errors.ts'
import { cancelledBy } from '#sdk/rpc/outgoing-call.ts'

interface Waiting {
  wake: () => void
  fail: (error: RuntimeError) => void
}

/** Calls that wait for a process, bounded in number and time. */
export class WaitingCalls {
  readonly #service: string
  readonly #max: number
  readonly #calls = new Set<Waiting>()

  constructor(service: string, max: number) {
    this.#service = service
    this.#max = max
  }

  get size(): number {
    return this.#calls.size
  }

  /** Resolves at the next `wake`. Throws `unavailable` when too many wait, or for too long. */
  wait(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) return Promise.reject(cancelledBy(signal))
    if (this.#calls.size >= this.#max) {
      const message = `The ${this.#service} service is restarting and ${this.#max} calls wait for it`
      return Promise.reject(new RuntimeError('unavailable', message, { retry_after_seconds: 1 }))
    }
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        this.#calls.delete(call)
        act()
      }
      const call: Waiting = { wake: () => settle(resolve), fail: (error) => settle(() => reject(error)) }
      const timer = setTimeout(() => {
        const message = `The ${this.#service} service did not come back within ${Math.round(timeoutMs)} ms`
        call.fail(new RuntimeError('unavailable', message, { retry_after_seconds: 2 }))
      }, timeoutMs)
      const onAbort = () => call.fail(cancelledBy(signal))
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#calls.add(call)
    })
  }

  wake(): void {
    for (const call of [...this.#calls]) call.wake()
  }

  fail(error: RuntimeError): void {
    for (const call of [...this.#calls]) call.fail(error)
  }
}
