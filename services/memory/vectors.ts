import type { Logger } from 'pino'
import { reasonOf } from '#sdk/errors.ts'
import type { Client } from '#sdk/service.ts'
import type { kernelForMemory } from '#sdk/services/kernel.ts'
import type { EmbeddingStatus, MemorySettings } from '#sdk/services/memory.ts'
import { lexicalEmbedder } from './embedding/lexical.ts'
import { EmbeddingMaker } from './embedding/maker.ts'
import type { Embedder } from './embedding/model.ts'
import { providerEmbedder } from './embedding/provider.ts'
import type { Filter } from './filter.ts'
import { IndexWords } from './index-words.ts'
import type { Reading } from './reading.ts'
import { TermFrequencies } from './term-frequencies.ts'
import type { Counts } from './vectors/messages.ts'
import { storedDimensions } from './vectors/stored.ts'
import { type ThreadOptions, VectorThread } from './vectors/thread.ts'

/** How often progress is told, in milliseconds. */
const reportEveryMs = 500

export interface VectorHits {
  /** Best first. */
  hits: { seq: number; similarity: number }[]
  /** null where vectors took no part. */
  model: string | null
  /** Why not, or why not all of them. */
  note: string | null
}

interface Options {
  db: Reading
  kernel: Pick<Client<typeof kernelForMemory>, 'embed' | 'saveEmbeddings' | 'reportEmbedding'>
  log: Logger
  settings: Pick<MemorySettings, 'database' | 'embedding_model'>
  startWorker?: ThreadOptions['startWorker']
}

/** The vectors of all entries: made in the background, kept and compared on a thread of their own. */
export class Vectors {
  readonly words = new IndexWords()
  readonly frequencies: TermFrequencies
  readonly #options: Options
  readonly #thread: VectorThread
  #embedder: Embedder
  #maker: EmbeddingMaker
  #counts: Counts = { indexed: 0, total: 0 }
  /** Entries whose rows were no vectors. */
  readonly #corrupt = new Set<number>()
  #dimensions: number | null
  #report: NodeJS.Timeout | undefined
  #closed = false

  /** Ready at once: what is not loaded yet is not found by its vector yet. */
  static async open(options: Options): Promise<Vectors> {
    return new Vectors(options)
  }

  private constructor(options: Options) {
    this.#options = options
    const { db, log, settings } = options
    this.frequencies = new TermFrequencies(db)
    this.#embedder = this.#embedderOf(settings.embedding_model)
    this.#dimensions = this.#embedder.dimensions ?? storedDimensions(db, this.#embedder.model)
    this.#thread = new VectorThread({
      database: settings.database,
      log,
      onNews: (news) => ('counts' in news ? this.#recount(news.counts) : this.#remake(news.corrupt)),
      // The first thread begins before there is anything to use it with.
      onStart: () => queueMicrotask(() => this.#load()),
      ...(options.startWorker && { startWorker: options.startWorker }),
    })
    this.#maker = this.#startMaker()
  }

  /** How much the vote of vectors counts beside that of words, before the settings have their say. */
  get weight(): number {
    return this.#embedder.weight
  }

  async configure({ embedding_model }: Pick<MemorySettings, 'embedding_model'>): Promise<void> {
    const next = this.#embedderOf(embedding_model)
    if (next.model === this.#embedder.model) return
    await this.#maker.close()
    this.#embedder = next
    this.#dimensions = next.dimensions ?? storedDimensions(this.#options.db, next.model)
    this.#corrupt.clear()
    this.#load()
    this.#maker = this.#startMaker()
  }

  follow({ saved, removed }: { saved: readonly number[]; removed: readonly number[] }): void {
    this.#refresh([...saved, ...removed])
    this.#maker.add(saved)
  }

  status(): EmbeddingStatus {
    const { indexed, total } = this.#counts
    return {
      model: this.#embedder.model,
      dimensions: this.#dimensions,
      done: Math.min(indexed, total),
      total,
      corrupt: this.#corrupt.size,
      stalled: this.#maker.stalled,
    }
  }

  /** The entries nearest to a text. Where vectors fail, the note says why: words find without them. */
  async search(text: string, filter: Filter, limit: number, signal: AbortSignal): Promise<VectorHits> {
    const { model, chance } = this.#embedder
    try {
      const vector = await this.#embedder.embedQuery(text, signal)
      this.#noteLength(vector.length)
      const { hits, counts } = await this.#thread.call('nearest', { vector, limit, filter })
      const note =
        counts.indexed >= counts.total
          ? null
          : `${counts.indexed} of ${counts.total} entries have been compared by vectors`
      return { hits: hits.filter(({ similarity }) => similarity > chance), model, note }
    } catch (thrown) {
      signal.throwIfAborted()
      return { hits: [], model: null, note: reasonOf(thrown) }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#report)
    await Promise.all([this.#maker.close(), this.#thread.close()])
    this.words.close()
  }

  #embedderOf(model: string | null): Embedder {
    return model === null
      ? lexicalEmbedder(this.words, this.frequencies)
      : providerEmbedder(model, this.#options.kernel)
  }

  #startMaker(): EmbeddingMaker {
    const { db, kernel, log } = this.#options
    return new EmbeddingMaker({
      db,
      kernel,
      log,
      embedder: this.#embedder,
      dimensions: this.#dimensions,
      onSaved: (seqs) => {
        if (this.#embedder.dimensions !== null) this.#noteLength(this.#embedder.dimensions)
        this.#refresh(seqs)
      },
      onProgress: () => this.#reportSoon(),
    })
  }

  #load(): void {
    if (this.#closed) return
    const wanted = { model: this.#embedder.model, dimensions: this.#dimensions }
    // A thread that ends is replaced, and the next one is told again.
    this.#thread.call('use', wanted).catch((err) => this.#options.log.debug({ err }, 'vectors were not loaded'))
  }

  #refresh(seqs: readonly number[]): void {
    if (seqs.length === 0) return
    // The same: the next thread reads all of them.
    this.#thread
      .call('refresh', { seqs })
      .catch((err) => this.#options.log.debug({ err }, 'vectors were not refreshed'))
  }

  /** A model that makes vectors of another length than it did makes all of them anew. */
  #noteLength(length: number): void {
    if (length === this.#dimensions) return
    const isFirst = this.#dimensions === null
    this.#dimensions = length
    this.#load()
    if (!isFirst) this.#maker.lookAgain(length)
  }

  #recount(counts: Counts): void {
    this.#counts = counts
    this.#reportSoon()
  }

  #remake(seqs: readonly number[]): void {
    const fresh = seqs.filter((seq) => !this.#corrupt.has(seq))
    for (const seq of fresh) this.#corrupt.add(seq)
    if (fresh.length > 0)
      this.#options.log.warn(
        { seqs: fresh.slice(0, 20), count: fresh.length },
        'rows that are no vectors are made anew',
      )
    this.#maker.add(seqs, { anew: true })
  }

  #reportSoon(): void {
    if (this.#closed) return
    this.#report ??= setTimeout(() => {
      this.#report = undefined
      this.#options.kernel
        .reportEmbedding(this.status())
        .catch((err) => this.#options.log.debug({ err }, 'progress was not told'))
    }, reportEveryMs)
    this.#report.unref()
  }
}
