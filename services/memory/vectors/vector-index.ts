import { setImmediate as nextTurn } from 'node:timers/promises'
import { cosine } from '../embedding/vector-bytes.ts'
import { isNarrow } from '../filter.ts'
import type { Reading } from '../reading.ts'
import type { Counts, Nearest, ThreadCalls } from './messages.ts'
import { allPassing, countActive, highestSeq, passing, readRange, readThese, storedDimensions } from './stored.ts'
import { VectorTable } from './table.ts'

/** Sequence numbers that are read at once; searches are answered in between. */
const rangeLength = 1_000
/** For each entry wanted, so many of the nearest by signs are compared exactly. */
const rescored = 4
const leastRescored = 1.5
/** Finding the nearest by signs costs a step for each entry and each one wanted, so in a large memory fewer are compared. */
const maxSteps = 6_000_000
/** So few entries are compared exactly, all of them. */
const maxExact = 2_000
/** And past so many a filter is not followed. */
const maxAmong = 200_000

interface Options {
  onCounts: (counts: Counts) => void
  onCorrupt: (seqs: number[]) => void
}

/** All vectors of one model, read from the database and kept in step with it. */
export class VectorIndex {
  readonly #db: Reading
  readonly #options: Options
  #model = ''
  #table: VectorTable | undefined
  #dimensions: number | null = null
  #total = 0
  #load = 0

  constructor(db: Reading, options: Options) {
    this.#db = db
    this.#options = options
  }

  use({ model, dimensions }: ThreadCalls['use']['params']): null {
    this.#load += 1
    this.#table?.close()
    this.#table = undefined
    this.#model = model
    this.#dimensions = dimensions ?? storedDimensions(this.#db, model)
    this.#count()
    void this.#loadAll(this.#load)
    return null
  }

  refresh({ seqs }: ThreadCalls['refresh']['params']): null {
    this.#dimensions ??= storedDimensions(this.#db, this.#model)
    if (this.#dimensions !== null) {
      const { rows, corrupt } = readThese(this.#db, seqs, this.#model, this.#dimensions)
      for (const seq of seqs) this.#table?.remove(seq)
      this.#put(rows, this.#dimensions)
      if (corrupt.length > 0) this.#options.onCorrupt(corrupt)
    }
    this.#count()
    return null
  }

  nearest({ vector, limit, filter }: ThreadCalls['nearest']['params']): Nearest {
    const table = this.#table
    if (!table || table.dimensions !== vector.length) return { hits: [], counts: this.#counts() }
    const few = isNarrow(filter) ? allPassing(this.#db, filter, maxExact + 1) : undefined
    if (few && few.length <= maxExact) return this.#ranked(few, vector, limit)
    const wanted = Math.max(
      Math.ceil(limit * leastRescored),
      Math.min(limit * rescored, Math.floor(maxSteps / Math.max(1, table.count))),
    )
    const near = table.nearest(vector, wanted)
    const allowed = passing(this.#db, near, filter)
    const found = near.filter((seq) => allowed.has(seq))
    if (found.length >= limit || near.length < wanted) return this.#ranked(found, vector, limit)
    // Few of the best may be shown: the best of those that may.
    return this.#ranked(table.nearest(vector, wanted, allPassing(this.#db, filter, maxAmong)), vector, limit)
  }

  close(): void {
    this.#load += 1
    this.#table?.close()
  }

  #ranked(seqs: readonly number[], vector: Float32Array, limit: number): Nearest {
    const { rows, corrupt } = readThese(this.#db, seqs, this.#model, vector.length)
    if (corrupt.length > 0) this.#options.onCorrupt(corrupt)
    const hits = rows
      .map((row) => ({ seq: row.seq, similarity: cosine(vector, row.vector) }))
      .sort((left, right) => right.similarity - left.similarity)
      .slice(0, limit)
    return { hits, counts: this.#counts() }
  }

  async #loadAll(load: number): Promise<void> {
    // How many there are is known from the beginning, so that it is never taken for all of them what is only a part.
    this.#count()
    const last = highestSeq(this.#db)
    for (let after = 0; after < last && this.#dimensions !== null; after += rangeLength) {
      const { rows, corrupt } = readRange(this.#db, after, after + rangeLength, this.#model, this.#dimensions)
      this.#put(rows, this.#dimensions)
      if (corrupt.length > 0) this.#options.onCorrupt(corrupt)
      await nextTurn()
      if (load !== this.#load) return
    }
    this.#count()
  }

  #put(rows: Parameters<VectorTable['put']>[0], dimensions: number): void {
    if (rows.length === 0) return
    this.#table ??= new VectorTable(dimensions)
    this.#table.put(rows)
  }

  #count(): void {
    this.#total = countActive(this.#db)
    this.#options.onCounts(this.#counts())
  }

  #counts(): Counts {
    const indexed = this.#table?.count ?? 0
    return { indexed, total: Math.max(this.#total, indexed) }
  }
}
