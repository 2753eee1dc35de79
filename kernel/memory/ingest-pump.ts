import type { Logger } from 'pino'
import type { EventBus } from '#kernel/events/bus.ts'
import { applyMemoryChanges } from '#kernel/store/memories.ts'
import { type IngestRow, nextIngest, nextIngestAt, postponeIngest, takeIngest } from '#kernel/store/memory-ingest.ts'
import type { Store } from '#kernel/store/store.ts'
import { StoreError } from '#kernel/store/store-fault.ts'
import { endedUnderCall } from '#kernel/supervisor/supervised-service.ts'
import { inTrace } from '#kernel/turns/turn-trace.ts'
import { isErrorOf, RuntimeError, reasonOf } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import { redactText } from '#sdk/redact.ts'
import type { Client } from '#sdk/service.ts'
import { memoryBounds, type memoryService } from '#sdk/services/memory.ts'
import { detached } from '#sdk/telemetry/tracing.ts'
import type { Announce } from './announce.ts'
import { exchangeOf } from './exchange.ts'
import type { MemoryWork } from './memory-work.ts'
import { withoutBorrowedTrust } from './repeated-words.ts'

/** After so many failures a turn is given up. */
const maxAttempts = 8
/** How long a turn waits after its first failure, by what factor that grows, and the most, in milliseconds. */
const backOff = { firstMs: 1_000, factor: 3, mostMs: 600_000 }
/** How long all wait for a memory service that is not there, in milliseconds; less where it is told to be back. */
const absentMs = 5_000
/** How long all wait for a database that takes no writes, in milliseconds, before they look again. */
const storeWaitMs = 30_000
const maxErrorCharacters = 500

export interface PumpDeps {
  store: Store
  bus: EventBus
  log: Logger
  work: MemoryWork
  service: () => Pick<Client<typeof memoryService>, 'ingest'>
  announce: Announce
}

/**
 * Makes memories of finished turns, one at a time, oldest first. A turn leaves the queue in the transaction that keeps
 * what was made of it: whoever is killed when, that happens once.
 */
export class IngestPump {
  readonly #deps: PumpDeps
  #timer: NodeJS.Timeout | undefined
  #pumping: Promise<void> | undefined
  #isWanted = false
  #isClosed = false

  constructor(deps: PumpDeps) {
    this.#deps = deps
  }

  /** There may be something to do. */
  wake(): void {
    if (this.#isClosed) return
    this.#isWanted = true
    // It goes on with other turns than the one that woke it.
    this.#pumping ??= detached(() => this.#pump())
      .catch((err) => this.#putOff(absentMs, err))
      .finally(() => {
        this.#pumping = undefined
        if (this.#isWanted) this.wake()
      })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#pumping
  }

  async #pump(): Promise<void> {
    const { store } = this.#deps
    while (!this.#isClosed) {
      this.#isWanted = false
      const row = nextIngest(store.read)
      if (!row) {
        const at = nextIngestAt(store.read)
        if (at !== null) this.#wakeIn(Math.max(0, Date.parse(at) - Date.now()))
        return
      }
      const waitMs = await this.#take(row)
      if (waitMs > 0) return this.#wakeIn(waitMs)
    }
  }

  /** Returns how long everything has to wait. */
  async #take(row: IngestRow): Promise<number> {
    const { work, store, log } = this.#deps
    try {
      await work.runBehind((signal) =>
        inTrace(store.read, row.turn_id, 'memory.remember', {}, () => this.#ingest(row.turn_id, signal)),
      )
      return 0
    } catch (thrown) {
      if (this.#isClosed) return 0
      if (thrown instanceof StoreError) {
        log.warn({ err: thrown, turn_id: row.turn_id }, 'memories wait until the database takes writes again')
        void store.mended(storeWaitMs).then(() => this.wake())
        return storeWaitMs
      }
      if (isErrorOf(thrown, 'unavailable', 'cancelled') && !endedUnderCall(thrown)) return absentMs
      this.#fail(row, thrown)
      return 0
    }
  }

  async #ingest(turnId: string, signal: AbortSignal): Promise<void> {
    const { store, service, announce, log } = this.#deps
    const exchange = exchangeOf(store.read, turnId)
    if (!exchange) {
      log.warn({ turn_id: turnId }, 'there is nothing to be remembered of a turn that nobody spoke in')
      takeIngest(store.write, turnId)
      return
    }
    const changes = await service().ingest(exchange, { signal })
    signal.throwIfAborted()
    if (changes.add.length > memoryBounds.additions)
      throw new RuntimeError('invalid', `a turn may add ${memoryBounds.additions} memories, not ${changes.add.length}`)
    const { agent_id, scope_key, session_id, at } = exchange
    const origin = { agent_id, scope_key, session_id, turn_id: turnId, at }
    const made = store.write.transaction(() =>
      takeIngest(store.write, turnId)
        ? applyMemoryChanges(store.write, origin, withoutBorrowedTrust(store.read, turnId, changes))
        : [],
    )()
    announce(made)
  }

  #fail({ turn_id, attempts: before }: IngestRow, thrown: unknown): void {
    const { store, bus, log } = this.#deps
    const attempts = before + 1
    const given_up = attempts >= maxAttempts
    const error = redactText(reasonOf(thrown)).slice(0, maxErrorCharacters)
    if (given_up) {
      takeIngest(store.write, turn_id)
      log.error({ err: thrown, turn_id, attempts }, 'no memory could be made of a turn, and it was given up')
    } else {
      const waitMs = Math.min(backOff.mostMs, backOff.firstMs * backOff.factor ** before)
      postponeIngest(store.write, turn_id, timestamp(Date.now() + waitMs), error)
      log.warn({ err: thrown, turn_id, attempts, retry_ms: waitMs }, 'no memory could be made of a turn for now')
    }
    bus.publish('memory_ingest_failed', { turn_id, attempts, error, given_up })
  }

  #putOff(waitMs: number, err: unknown): void {
    if (this.#isClosed) return
    this.#deps.log.error({ err }, 'memories could not be made')
    this.#wakeIn(waitMs)
  }

  #wakeIn(waitMs: number): void {
    clearTimeout(this.#timer)
    if (this.#isClosed) return
    this.#timer = setTimeout(() => this.wake(), waitMs)
    this.#timer.unref()
  }
}
