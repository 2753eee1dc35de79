import type { EventBus } from '#kernel/events/bus.ts'
import {
  countOpenDeliveries,
  type DeliveryRow,
  discardDeadLetter,
  findDelivery,
  insertDelivery,
  type NewDelivery,
  pruneDeadLetters,
  pruneDeliveries,
  replayDeadLetter,
} from '#kernel/store/channel-outbox.ts'
import type { WritableDb } from '#kernel/store/database.ts'
import type { Store } from '#kernel/store/store.ts'
import { channelBounds } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { cutOutput } from '#sdk/cut-output.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { HeldFiles } from './held-files.ts'

/** Messages of one channel that may wait to be sent. */
export const maxOpenDeliveries = 10_000
/** When to ask again where they do, in seconds. */
const fullRetrySeconds = 60

interface OutboxDeps {
  store: Store
  bus: EventBus
  files: Pick<HeldFiles, 'remove'>
  /** A message of this channel may be to be sent. */
  wake: (channel: PlatformName) => void
}

/** What goes out: kept for good before it is sent, each under a key that names what it is for. */
export class Outbox {
  readonly #deps: OutboxDeps
  #isClosed = false

  constructor(deps: OutboxDeps) {
    this.#deps = deps
  }

  hasRoom(channel: PlatformName): boolean {
    return countOpenDeliveries(this.#deps.store.read, channel) < maxOpenDeliveries
  }

  /** Keeps a message to be sent; `unavailable` where too many wait. Under a key that is known it is the message there is. */
  queue(message: NewDelivery): { row: DeliveryRow; isNew: boolean } {
    const { channel } = message
    if (!this.hasRoom(channel))
      throw new RuntimeError('unavailable', `${maxOpenDeliveries} messages wait to be sent over ${channel} already`, {
        retry_after_seconds: fullRetrySeconds,
      })
    return this.put(this.#deps.store.durable, message)
  }

  /** The same as part of a transaction, for what is owed whatever waits already. */
  put(db: WritableDb, message: NewDelivery): { row: DeliveryRow; isNew: boolean } {
    const put = insertDelivery(db, { ...message, text: cutOutput(message.text, channelBounds.textBytes) })
    if (put.isNew) setImmediate(() => this.#announce(put.row))
    return put
  }

  /** `not_found` where there is no such dead letter. */
  replay(id: string): void {
    if (!replayDeadLetter(this.#deps.store.durable, id)) throw noDeadLetter()
    const row = findDelivery(this.#deps.store.read, id)
    if (row) this.#announce(row)
  }

  /** `not_found` where there is no such dead letter. */
  async discard(id: string): Promise<void> {
    if (!discardDeadLetter(this.#deps.store.durable, id)) throw noDeadLetter()
    await this.#deps.files.remove(id)
  }

  /** Forgets up to `limit` that were sent or discarded before then; returns how many. */
  async prune(before: string, limit: number): Promise<number> {
    return this.#removeFiles(pruneDeliveries(this.#deps.store.write, before, limit))
  }

  /** Forgets up to `limit` dead letters from before then; returns how many. */
  async pruneDeadLetters(before: string, limit: number): Promise<number> {
    return this.#removeFiles(pruneDeadLetters(this.#deps.store.write, before, limit))
  }

  async #removeFiles(ids: readonly string[]): Promise<number> {
    for (const id of ids) await this.#deps.files.remove(id)
    return ids.length
  }

  close(): void {
    this.#isClosed = true
  }

  /** The transaction that kept it may have failed after all. */
  #announce({ id, channel }: DeliveryRow): void {
    if (this.#isClosed || !findDelivery(this.#deps.store.read, id)) return
    this.#deps.bus.publish('delivery_queued', { id, channel })
    this.#deps.wake(channel)
  }
}

function noDeadLetter(): RuntimeError {
  return new RuntimeError('not_found', 'dead-letter item not found')
}
