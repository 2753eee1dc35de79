import { RuntimeError } from '#sdk/errors.ts'

/** Jobs that people wait for, at the most; one more is refused as `unavailable`. */
const maxWaiting = 256
/** How long somebody waits for work that nobody waits for, before that has to give way, in milliseconds. */
const patienceMs = 1_000

interface Job {
  run: (signal: AbortSignal) => unknown
  /** Nobody waits for it, and it can begin anew. */
  isBehind: boolean
  resolve: (value: unknown) => void
  reject: (reason: unknown) => void
}

interface CurrentJob {
  job: Job
  abort: AbortController
  done: Promise<void>
}

/**
 * All that changes the memory, one after the other, so that each sees what the one before has left. What people wait for
 * comes first, and what is done behind their backs gives way to it.
 */
export class MemoryWork {
  readonly #patienceMs: number
  #people: Job[] = []
  #behind: Job[] = []
  #current: CurrentJob | undefined
  #patience: NodeJS.Timeout | undefined
  #isClosed = false

  constructor({ patience_ms = patienceMs }: { patience_ms?: number } = {}) {
    this.#patienceMs = patience_ms
  }

  /** For somebody who waits. Its signal aborts when the kernel ends. */
  run<T>(work: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
    if (this.#people.length >= maxWaiting)
      return Promise.reject(
        new RuntimeError('unavailable', `${maxWaiting} changes of the memory wait already`, { retry_after_seconds: 1 }),
      )
    return this.#add(work, false)
  }

  /** For nobody in particular: when its signal aborts it should end without a trace, and is begun anew later. */
  runBehind<T>(work: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
    return this.#add(work, true)
  }

  /** Ends what is under way and refuses what waits; settles when nothing is under way any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#patience)
    for (const { reject } of [...this.#people.splice(0), ...this.#behind.splice(0)]) reject(stopping())
    this.#current?.abort.abort()
    await this.#current?.done
  }

  #add<T>(run: (signal: AbortSignal) => T | Promise<T>, isBehind: boolean): Promise<T> {
    if (this.#isClosed) return Promise.reject(stopping())
    return new Promise<T>((resolve, reject) => {
      const job: Job = { run, isBehind, resolve: resolve as Job['resolve'], reject }
      const lane = isBehind ? this.#behind : this.#people
      lane.push(job)
      if (!this.#current) this.#next()
      else if (!isBehind) this.#hurry()
    })
  }

  #next(): void {
    const job = this.#people.shift() ?? this.#behind.shift()
    if (!job) return
    const abort = new AbortController()
    const done = this.#perform(job, abort.signal).finally(() => {
      clearTimeout(this.#patience)
      this.#patience = undefined
      this.#current = undefined
      this.#next()
    })
    this.#current = { job, abort, done }
    if (this.#people.length > 0) this.#hurry()
  }

  async #perform({ run, isBehind, resolve, reject }: Job, signal: AbortSignal): Promise<void> {
    try {
      resolve(await run(signal))
    } catch (thrown) {
      if (this.#isClosed && signal.aborted) reject(stopping())
      else if (isBehind && signal.aborted) this.#behind.unshift({ run, isBehind, resolve, reject })
      else reject(thrown)
    }
  }

  #hurry(): void {
    if (!this.#current?.job.isBehind) return
    this.#patience ??= setTimeout(() => this.#current?.abort.abort(), this.#patienceMs)
  }
}

function stopping(): RuntimeError {
  return new RuntimeError('unavailable', 'Keel is stopping', { retry_after_seconds: 2 })
}
