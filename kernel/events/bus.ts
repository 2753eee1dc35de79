import type { Logger } from 'pino'
import type { z } from 'zod'
import type { WritableDb } from '#kernel/store/database.ts'
import type { StoredEvent } from '#kernel/store/events.ts'
import type { events } from '#sdk/events.ts'
import { timestamp } from '#sdk/ids.ts'
import { redactText } from '#sdk/redact.ts'
import { EventJournal } from './journal.ts'
import { EventRing } from './ring.ts'

export type EventTable = Record<string, z.ZodObject>
export type EventListener = (event: StoredEvent) => void

/** Where a reader stands: `seq` is the newest number handed out. */
export interface EventPosition {
  seq: number
  epoch: string
}

/** Numbers that can not be given any more, both inclusive. */
export interface EventGap {
  from: number
  to: number
}

export interface EventPage {
  /** Comes before the events. */
  gap?: EventGap
  events: StoredEvent[]
}

const pageEvents = 500

/** Announces what happened: numbered, kept for a while, and never waited for. */
export interface EventBus<E extends EventTable = typeof events> {
  readonly position: EventPosition
  /** Events that were told and could not be stored. */
  readonly dropped: number
  publish<N extends keyof E & string>(name: N, fields: z.input<E[N]>): void
  /** At most `limit` events after `seq`. An empty page without a gap means that nothing is missing. */
  since(seq: number, options?: { epoch?: string; limit?: number }): EventPage
  /** Returns the way to stop. */
  subscribe(listener: EventListener): () => void
  /** Stores what is not stored yet. */
  close(): void
}

export function createEventBus<E extends EventTable>({
  db,
  log,
  now = Date.now,
}: {
  db: WritableDb
  log: Logger
  now?: () => number
}): EventBus<E> {
  const journal = new EventJournal(db, log)
  const ring = new EventRing()
  const listeners = new Set<EventListener>()
  const { epoch } = journal
  let closed = false

  function tell(event: StoredEvent) {
    for (const listener of listeners) {
      try {
        listener(event)
      } catch (thrown) {
        log.error({ err: thrown, event: event.type }, 'an event listener failed')
      }
    }
  }

  return {
    get position() {
      return { seq: journal.last, epoch }
    },

    get dropped() {
      return journal.dropped
    },

    publish(type, fields) {
      if (closed) return
      const at = now()
      const envelope = { seq: journal.nextSeq(), epoch, type, timestamp: timestamp(at) }
      const text = JSON.stringify({ ...envelope, ...fields, ...envelope }, redactStrings)
      const event = { seq: envelope.seq, type, text, at }
      ring.push(event)
      journal.append(event)
      tell(event)
    },

    since(seq, { epoch: knownEpoch = epoch, limit = pageEvents } = {}) {
      const newest = journal.last
      if (knownEpoch !== epoch || seq > newest) {
        return { ...(newest > 0 && { gap: { from: 1, to: newest } }), events: [] }
      }
      const oldest = ring.oldest
      const inMemory = oldest !== undefined && seq >= oldest.seq - 1
      const stored = inMemory ? [] : journal.after(seq, limit)
      // The newest events may be in memory alone.
      const events = [...stored, ...ring.after(stored.at(-1)?.seq ?? seq, limit - stored.length)]
      const next = events[0]?.seq ?? newest + 1
      const isAnnounced = events[0]?.type === 'gap'
      return next > seq + 1 && !isAnnounced ? { gap: { from: seq + 1, to: next - 1 }, events } : { events }
    },

    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },

    close() {
      closed = true
      listeners.clear()
      journal.close()
    },
  }
}

/** Value by value: in the finished text an escape such as `\n` would hide where a secret begins. */
function redactStrings(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? redactText(value) : value
}
