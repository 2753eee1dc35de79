import type { Logger } from 'pino'
import { type CostRow, recordCost } from '#kernel/store/costs.ts'
import type { WritableDb } from '#kernel/store/database.ts'
import { timestamp } from '#sdk/ids.ts'
import type { CostRecord } from '#sdk/services/kernel.ts'

/** How long a cost waits for others, in milliseconds: so much of the ledger is lost when the kernel is killed. */
const groupMs = 25
const groupSize = 256
/** While the database takes nothing, so many costs are kept and tried again; the oldest are given up first. */
const maxKept = 10_000
const retryMs = 1_000

/** Writes costs down in groups: a transaction of fifty rows costs little more than one of a single row. */
export class CostLedger {
  readonly #log: Logger
  readonly #onCost: ((cost: CostRecord) => void) | undefined
  readonly #writeAll: (costs: readonly CostRow[]) => void
  #waiting: CostRow[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(db: WritableDb, log: Logger, onCost?: (cost: CostRecord) => void) {
    this.#log = log
    this.#onCost = onCost
    this.#writeAll = db.transaction((costs: readonly CostRow[]) => {
      for (const cost of costs) recordCost(db, cost)
    })
  }

  record(cost: CostRecord): void {
    this.#onCost?.(cost)
    this.#waiting.push({ ...cost, created_at: timestamp() })
    if (this.#waiting.length === groupSize) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), groupMs)
  }

  /** Writes what waits, for the last time. */
  close(): void {
    this.flush()
    clearTimeout(this.#timer)
  }

  /** Writes what waits; who reads the ledger calls this first. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#waiting.length === 0) return
    try {
      this.#writeAll(this.#waiting)
      this.#waiting = []
    } catch (err) {
      const lost = this.#waiting.splice(0, this.#waiting.length - maxKept).length
      this.#log.error({ err, kept: this.#waiting.length, lost }, 'costs could not be recorded')
      this.#timer = setTimeout(() => this.flush(), retryMs)
    }
  }
}
