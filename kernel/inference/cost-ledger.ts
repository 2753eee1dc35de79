import type { Logger } from 'pino'
import type { BudgetLedger } from '#kernel/budgets/ledger.ts'
import { recordCost } from '#kernel/store/costs.ts'
import type { WritableDb } from '#kernel/store/database.ts'
import { timestamp } from '#sdk/ids.ts'
import type { CostRecord } from '#sdk/services/kernel.ts'

/** How long a cost waits for others, in milliseconds: so much of the ledger is lost when the kernel is killed. */
const groupMs = 25
const groupSize = 256
/** While the database takes nothing, so many costs are kept and tried again; the oldest are given up first. */
const maxKept = 10_000
const retryMs = 1_000

type TimedCost = CostRecord & { created_at: string }

/** Writes costs down in groups, each with what it does to the budgets: a transaction of fifty rows costs little more than one of a single row. */
export class CostLedger {
  readonly #log: Logger
  readonly #budgets: Pick<BudgetLedger, 'announce'>
  readonly #writeAll: (costs: readonly TimedCost[]) => Parameters<BudgetLedger['announce']>[0]
  #waiting: TimedCost[] = []
  #timer: NodeJS.Timeout | undefined
  #tell: (cost: CostRecord) => void = () => {}

  constructor(db: WritableDb, log: Logger, budgets: Pick<BudgetLedger, 'book' | 'announce'>) {
    this.#log = log
    this.#budgets = budgets
    this.#writeAll = db.transaction((costs: readonly TimedCost[]) =>
      costs.flatMap((cost) => (recordCost(db, rowOf(cost)) ? budgets.book(cost) : [])),
    )
  }

  /** Who is told of each cost from now on. */
  follow(tell: (cost: CostRecord) => void): void {
    this.#tell = tell
  }

  record(cost: CostRecord): void {
    this.#tell(cost)
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
      const crossings = this.#writeAll(this.#waiting)
      this.#waiting = []
      this.#budgets.announce(crossings)
    } catch (err) {
      const lost = this.#waiting.splice(0, this.#waiting.length - maxKept).length
      this.#log.error({ err, kept: this.#waiting.length, lost }, 'costs could not be recorded')
      this.#timer = setTimeout(() => this.flush(), retryMs)
    }
  }
}

function rowOf({ reservation_id: _, ...row }: TimedCost) {
  return row
}
