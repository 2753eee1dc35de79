import type { InferenceChunk, InferenceResult } from '#sdk/services/inference.ts'

export interface Asker {
  signal: AbortSignal
  emit: (chunk: InferenceChunk) => Promise<void>
}

interface Flight {
  hasLanded: boolean
  answer: Promise<InferenceResult>
  abort: AbortController
  askers: Set<Asker>
  chunks: InferenceChunk[]
}

/**
 * Identical questions asked at the same time become one. The work goes on while anyone still waits for it, and ends
 * with the last who leaves.
 */
export class InFlight {
  readonly #flights = new Map<string, Flight>()

  /** Settles with the answer, and whether another asker had begun the work. */
  async join(
    key: string,
    asker: Asker,
    work: (asker: Asker) => Promise<InferenceResult>,
  ): Promise<{ result: InferenceResult; shared: boolean }> {
    const known = this.#flights.get(key)
    const flight = known ?? this.#begin(key, work)
    flight.askers.add(asker)
    const left = Promise.withResolvers<never>()
    // The asker may leave before anyone listens for it.
    left.promise.catch(() => {})
    const onAbort = () => left.reject(asker.signal.reason)
    asker.signal.addEventListener('abort', onAbort, { once: true })
    try {
      asker.signal.throwIfAborted()
      for (const chunk of known ? flight.chunks : []) await asker.emit(chunk)
      const result = await Promise.race([flight.answer, left.promise])
      return { result, shared: known !== undefined }
    } finally {
      asker.signal.removeEventListener('abort', onAbort)
      this.#leave(key, flight, asker)
    }
  }

  #begin(key: string, work: (asker: Asker) => Promise<InferenceResult>): Flight {
    const abort = new AbortController()
    const emit = async (chunk: InferenceChunk) => {
      flight.chunks.push(chunk)
      await Promise.allSettled([...flight.askers].map((asker) => asker.emit(chunk)))
    }
    // The work begins a moment later, when its first asker has taken his seat.
    const answer = Promise.resolve().then(() => work({ signal: abort.signal, emit }))
    const flight: Flight = { hasLanded: false, answer, abort, askers: new Set(), chunks: [] }
    this.#flights.set(key, flight)
    const land = () => {
      flight.hasLanded = true
      this.#forget(key, flight)
    }
    flight.answer.then(land, land)
    return flight
  }

  #leave(key: string, flight: Flight, asker: Asker) {
    flight.askers.delete(asker)
    if (flight.hasLanded || flight.askers.size > 0) return
    this.#forget(key, flight)
    flight.abort.abort(asker.signal.reason)
  }

  #forget(key: string, flight: Flight) {
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
  }
}
