import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from 'pino'
import { isErrorOf, reasonOf } from '#sdk/errors.ts'
import type { Client } from '#sdk/service.ts'
import type { kernelForMemory } from '#sdk/services/kernel.ts'
import type { Reading } from '../reading.ts'
import { findMissing, type Missing, readWanted } from './missing.ts'
import type { Embedder } from './model.ts'
import { toBytes } from './vector-bytes.ts'

/** After a failure it waits so long, in milliseconds, and twice as long after each further one. */
const firstBackOffMs = 500
const maxBackOffMs = 60_000

export interface MakerOptions {
  db: Reading
  kernel: Pick<Client<typeof kernelForMemory>, 'saveEmbeddings'>
  log: Logger
  embedder: Embedder
  /** The length of vectors that are stored already; null where that is not known. */
  dimensions: number | null
  /** These entries have a vector now. */
  onSaved: (seqs: readonly number[]) => void
  /** It has begun, stalled, gone on or finished. */
  onProgress: () => void
}

interface Batch {
  /** None while there is only more to look through. */
  rows: Missing[]
  /** After a failure. */
  putBack: () => void
}

/**
 * Makes the vectors that are missing, in the background. What is missing the database knows, so that nothing is lost with
 * the process: whoever starts next goes on.
 */
export class EmbeddingMaker {
  readonly #options: MakerOptions
  readonly #closing = new AbortController()
  /** Entries told of by name; true where the vector that there is is to be made anew. */
  readonly #told = new Map<number, boolean>()
  #after = 0
  #lookedThrough = false
  #wake: (() => void) | undefined
  #dimensions: number | null
  readonly #finished: Promise<void>
  stalled: string | null = null
  /** Whether there may be more to make. */
  busy = true

  constructor(options: MakerOptions) {
    this.#options = options
    this.#dimensions = options.dimensions
    this.#finished = this.#run()
  }

  add(seqs: readonly number[], { anew = false } = {}): void {
    for (const seq of seqs) this.#told.set(seq, anew || (this.#told.get(seq) ?? false))
    this.#wake?.()
  }

  /** Vectors have another length now: those of the old one are made anew. */
  lookAgain(dimensions: number): void {
    this.#dimensions = dimensions
    this.#after = 0
    this.#lookedThrough = false
    this.#wake?.()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#wake?.()
    await this.#finished
  }

  async #run(): Promise<void> {
    let backOffMs = firstBackOffMs
    // The one who made it may want to hear of it only after having it.
    await nextTurn()
    while (!this.#closing.signal.aborted) {
      try {
        const batch = this.#next()
        if (!batch) await this.#rest()
        else if (batch.rows.length > 0) await this.#make(batch)
        backOffMs = firstBackOffMs
      } catch (thrown) {
        if (this.#closing.signal.aborted) return
        this.stalled = reasonOf(thrown)
        this.#options.log.warn({ err: thrown, back_off_ms: backOffMs }, 'no vectors at present')
        this.#options.onProgress()
        await delay(backOffMs, undefined, { signal: this.#closing.signal }).catch(() => {})
        backOffMs = Math.min(backOffMs * 2, maxBackOffMs)
      }
      await nextTurn()
    }
  }

  #next(): Batch | undefined {
    const { db, embedder } = this.#options
    if (this.#told.size > 0) {
      const told = [...this.#told].slice(0, embedder.batch)
      const anew = new Set(told.filter(([, again]) => again).map(([seq]) => seq))
      for (const [seq] of told) this.#told.delete(seq)
      const seqs = told.map(([seq]) => seq)
      const putBack = () => {
        for (const [seq, again] of told) this.#told.set(seq, again || (this.#told.get(seq) ?? false))
      }
      return { rows: readWanted(db, seqs, embedder.model, anew), putBack }
    }
    if (this.#lookedThrough) return undefined
    const { rows, lookedTo, done } = findMissing(db, {
      after: this.#after,
      model: embedder.model,
      dimensions: this.#dimensions,
      limit: embedder.batch,
    })
    const before = this.#after
    this.#after = lookedTo
    this.#lookedThrough = done
    const putBack = () => {
      this.#after = Math.min(this.#after, before)
      this.#lookedThrough = false
    }
    return { rows, putBack }
  }

  async #make({ rows, putBack }: Batch): Promise<void> {
    this.#setBusy(true)
    try {
      await this.#makeAndSave(rows)
    } catch (thrown) {
      putBack()
      throw thrown
    }
    if (this.stalled !== null) {
      this.stalled = null
      this.#options.onProgress()
    }
  }

  async #makeAndSave(batch: readonly Missing[]): Promise<void> {
    const { embedder, kernel, onSaved, log } = this.#options
    const { signal } = this.#closing
    let vectors: Float32Array[]
    try {
      vectors = await embedder.embed(
        batch.map(({ text }) => text),
        signal,
      )
    } catch (thrown) {
      if (!isErrorOf(thrown, 'invalid', 'too_large', 'unprocessable')) throw thrown
      if (batch.length > 1) {
        // One text that is not taken holds up no other.
        for (const one of batch) await this.#makeAndSave([one])
        return
      }
      log.warn({ err: thrown, seq: batch[0]?.seq }, 'an entry stays without a vector')
      return
    }
    const [first] = vectors
    if (!first) return
    const rows = batch.map(({ seq, updated_at }, at) => ({
      seq,
      updated_at,
      vector: toBytes(vectors[at] ?? first).toString('base64'),
    }))
    const { saved } = await kernel.saveEmbeddings({ model: embedder.model, dimensions: first.length, rows }, { signal })
    if (!signal.aborted) onSaved(saved)
  }

  async #rest(): Promise<void> {
    this.#setBusy(false)
    if (this.#told.size > 0 || !this.#lookedThrough || this.#closing.signal.aborted) return
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#wake = undefined
  }

  #setBusy(busy: boolean): void {
    if (this.busy === busy) return
    this.busy = busy
    this.#options.onProgress()
  }
}
