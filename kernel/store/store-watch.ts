import { setTimeout as delay } from 'node:timers/promises'
import { busyTimeoutMs, sql, type WritableDb } from './database.ts'
import { faultOf, StoreError, type StoreFault } from './store-fault.ts'

/** How often it is tried to write again after a fault, in milliseconds. */
const retryEveryMs: Record<StoreFault, number> = {
  locked: 50,
  full: 500,
  unwritable: 500,
  read_only: 1_000,
  unreadable: 1_000,
  corrupt: Number.POSITIVE_INFINITY,
}

/**
 * Knows whether the database takes writes. After a fault it tries again, by a write of its own, until one succeeds; damage
 * stays until the next start.
 */
export class StoreWatch {
  #fault: StoreFault | undefined
  #db: WritableDb | undefined
  #timer: NodeJS.Timeout | undefined
  #mended = Promise.withResolvers<void>()
  #closed = false
  readonly #onChange: (fault: StoreFault | undefined, cause?: unknown) => void

  constructor(onChange: (fault: StoreFault | undefined, cause?: unknown) => void) {
    this.#onChange = onChange
  }

  /** What is wrong now. */
  get fault(): StoreFault | undefined {
    return this.#fault
  }

  /** The connection to try with; its own faults need not be told. */
  probeWith(db: WritableDb): void {
    this.#db = db
  }

  note(fault: StoreFault, cause: unknown): void {
    if (this.#closed || this.#fault === fault || this.#fault === 'corrupt') return
    this.#fault = fault
    // Each further statement would hold up the event loop for nothing.
    if (fault === 'locked') this.#setPatience(0)
    this.#onChange(fault, cause)
    this.#tryLater()
  }

  /** Resolves when the database takes writes again, and after `ms` in any case; at once where nothing is wrong. */
  async mended(ms: number, signal?: AbortSignal): Promise<void> {
    if (this.#fault === undefined || this.#closed) return
    const deadline = delay(ms, undefined, { ref: false, ...(signal && { signal }) }).catch(() => {})
    await Promise.race([this.#mended.promise, deadline])
  }

  /** Writes, and after a fault that may pass tries again, for up to `ms`; then throws what the write threw. */
  async insist<T>(write: () => T, ms: number, signal?: AbortSignal): Promise<T> {
    const until = Date.now() + ms
    for (;;) {
      try {
        return write()
      } catch (thrown) {
        const mayPass = thrown instanceof StoreError && thrown.fault !== 'corrupt'
        const left = until - Date.now()
        if (!mayPass || left <= 0 || signal?.aborted || this.#closed) throw thrown
        await this.mended(left, signal)
      }
    }
  }

  /** Whether the write lock is free this moment; where it is not, that is noted. */
  lookAtLock(): void {
    if (this.#fault !== undefined || !this.#db) return
    try {
      this.#db.exec('BEGIN IMMEDIATE')
      this.#db.exec('ROLLBACK')
    } catch (thrown) {
      const fault = faultOf(thrown)
      if (fault === undefined) throw thrown
      this.note(fault, thrown)
    }
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#mended.resolve()
  }

  #setPatience(ms: number): void {
    this.#db?.pragma(`busy_timeout = ${ms}`)
  }

  #tryLater(): void {
    if (this.#fault === undefined || this.#fault === 'corrupt' || this.#closed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#tryNow(), retryEveryMs[this.#fault]).unref()
  }

  #tryNow(): void {
    if (!this.#db) return
    try {
      // A row that changes to what it was is written to the log like any other.
      sql(this.#db, 'UPDATE event_sequence SET reserved = reserved WHERE id = 1').run()
    } catch (thrown) {
      const fault = faultOf(thrown)
      if (fault !== undefined && fault !== this.#fault) this.note(fault, thrown)
      this.#tryLater()
      return
    }
    this.#setPatience(busyTimeoutMs)
    this.#fault = undefined
    this.#onChange(undefined)
    this.#mended.resolve()
    this.#mended = Promise.withResolvers()
  }
}
