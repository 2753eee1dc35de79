import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { type ChannelUpdate, channelBounds } from '#sdk/channels/message.ts'
import { errorTable, RuntimeError } from '#sdk/errors.ts'
import type { Client } from '#sdk/service.ts'
import type { hostForAdapter } from '../adapter-contract.ts'
import { backOffMs, type ChannelTimes } from '../times.ts'
import { knownUpdates } from './known-updates.ts'

/** Of what is handed over at once, in bytes: well under the largest frame that the kernel takes. */
const maxBatchBytes = 4 * 1024 * 1024

export interface IntakeOptions {
  host: Pick<Client<typeof hostForAdapter>, 'accept'>
  times: Pick<ChannelTimes, 'offer'>
  log: Logger
  /** Ends the waiting for a kernel that can not take them now. */
  signal: AbortSignal
}

/** Hands updates to the kernel: in the order in which they came, one batch at a time. */
export class UpdateIntake {
  readonly #options: IntakeOptions
  #last: Promise<void> = Promise.resolve()
  #failure: { reason: unknown } | undefined

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /** Resolves once they are kept. A null `cursor` leaves the one that is kept. */
  accept(updates: readonly ChannelUpdate[], cursor: string | null): Promise<void> {
    const mine = this.#last.then(() => this.#handOver(updates, cursor))
    this.#last = mine.catch(() => {})
    return mine
  }

  /** The adapter begins again from the kept cursor. */
  reopen(): void {
    this.#last = this.#last.then(() => {
      this.#failure = undefined
    })
  }

  async #handOver(given: readonly ChannelUpdate[], cursor: string | null): Promise<void> {
    // The cursor of what comes after a loss would say that the lost was kept.
    if (this.#failure) throw this.#failure.reason
    try {
      const batches = inBatches(knownUpdates(given, this.#options.log))
      for (const [at, updates] of batches.entries())
        await this.#offer({ updates, cursor: at === batches.length - 1 ? cursor : null })
    } catch (reason) {
      this.#failure = { reason }
      throw reason
    }
  }

  async #offer(batch: { updates: ChannelUpdate[]; cursor: string | null }): Promise<void> {
    const { host, times, log, signal } = this.#options
    for (let failures = 1; ; failures++) {
      signal.throwIfAborted()
      try {
        await host.accept(batch)
        return
      } catch (thrown) {
        if (!(thrown instanceof RuntimeError) || !errorTable[thrown.kind].retry) throw thrown
        if (failures === 1) log.warn({ reason: thrown.message }, 'updates wait until they can be kept')
        await delay(backOffMs(times.offer, failures), undefined, { signal })
      }
    }
  }
}

/** One batch at least, so that a cursor without updates is kept too. */
function inBatches(updates: readonly ChannelUpdate[]): ChannelUpdate[][] {
  let batch: ChannelUpdate[] = []
  let batchBytes = 0
  const batches = [batch]
  for (const update of updates) {
    const bytes = Buffer.byteLength(JSON.stringify(update))
    if (batch.length === channelBounds.updates || (batch.length > 0 && batchBytes + bytes > maxBatchBytes)) {
      batch = []
      batchBytes = 0
      batches.push(batch)
    }
    batch.push(update)
    batchBytes += bytes
  }
  return batches
}
