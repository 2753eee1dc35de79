import type { Logger } from 'pino'
import type { WritableDb } from '#kernel/store/database.ts'
import {
  appendEvents,
  type EventSequence,
  listEventsAfter,
  loadEventSequence,
  newestEventSeq,
  reserveEventSequence,
  type StoredEvent,
} from '#kernel/store/events.ts'
import { timestamp } from '#sdk/ids.ts'

/** How many of the newest sequence numbers stay in the database. */
export const journalMaxEvents = 10_000
const flushEveryMs = 50
const flushAtEvents = 200
const retryAfterMs = 1_000
/** Numbers promised in the database ahead of use: after a crash the next run begins past all of them. */
const sequenceBlock = 10_000

/**
 * The stored half of the event bus: hands out sequence numbers and writes events in batches. It writes in turns of
 * the event loop of its own, never within `append`: a publisher may be inside a transaction that is rolled back, or
 * that holds the lock on another connection.
 */
export class EventJournal {
  readonly epoch: string
  /** Events that could not be stored and gave way to newer ones. */
  dropped = 0
  readonly #db: WritableDb
  readonly #log: Logger
  #last: number
  #reserved: number
  #pending: StoredEvent[] = []
  #timer: NodeJS.Timeout | undefined
  #soon: NodeJS.Immediate | undefined
  #closed = false

  constructor(db: WritableDb, log: Logger) {
    this.#db = db
    this.#log = log
    const sequence = loadEventSequence(db)
    this.epoch = sequence.epoch
    this.#last = sequence.reserved
    this.#reserved = sequence.reserved
    admitLoss(db, sequence)
    this.#reserve()
  }

  /** The newest number handed out. */
  get last(): number {
    return this.#last
  }

  nextSeq(): number {
    this.#last += 1
    if (this.#reserved - this.#last < sequenceBlock / 2) this.#workSoon()
    return this.#last
  }

  append(event: StoredEvent): void {
    this.#pending.push(event)
    if (this.#pending.length > journalMaxEvents) {
      this.#pending.shift()
      this.dropped += 1
    }
    if (this.#pending.length === flushAtEvents) this.#workSoon()
    else this.#timer ??= setTimeout(() => this.flush(), flushEveryMs)
  }

  after(seq: number, limit: number): StoredEvent[] {
    return listEventsAfter(this.#db, seq, limit)
  }

  #workSoon() {
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined
      if (this.#reserved - this.#last < sequenceBlock / 2) this.#reserve()
      this.flush()
    })
  }

  #reserve() {
    const reserved = this.#last + sequenceBlock
    try {
      reserveEventSequence(this.#db, reserved)
      this.#reserved = reserved
    } catch (thrown) {
      // An event is no reason to fail its publisher; the next one tries again.
      this.#log.error({ err: thrown }, 'event sequence numbers could not be reserved')
    }
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#pending.length === 0) return
    try {
      appendEvents(this.#db, this.#pending, journalMaxEvents)
      this.#pending = []
    } catch (thrown) {
      this.#log.error({ err: thrown, pending: this.#pending.length }, 'events could not be stored')
      if (!this.#closed) this.#timer = setTimeout(() => this.flush(), retryAfterMs)
    }
  }

  /** Stores what is pending and gives unused numbers back, so that an orderly restart leaves no hole. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearImmediate(this.#soon)
    this.flush()
    if (this.#pending.length > 0) return
    try {
      reserveEventSequence(this.#db, this.#last)
    } catch (thrown) {
      // The numbers stay reserved: the next run begins past them.
      this.#log.error({ err: thrown }, 'unused event sequence numbers could not be given back')
    }
  }
}

/** After a crash the newest numbers may have been sent and not stored: one event says so to whoever resumes. */
function admitLoss(db: WritableDb, { epoch, reserved }: EventSequence): void {
  const stored = newestEventSeq(db)
  if (stored >= reserved) return
  const text = JSON.stringify({
    seq: reserved,
    epoch,
    type: 'gap',
    timestamp: timestamp(),
    from: stored + 1,
    to: reserved,
  })
  appendEvents(db, [{ seq: reserved, type: 'gap', text }], journalMaxEvents)
}
