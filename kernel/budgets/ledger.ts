import type { Logger } from 'pino'
import type { EventBus } from '#kernel/events/bus.ts'
import {
  type AccountPlace,
  type AccountRow,
  addToBudgetAccount,
  findBudgetAccount,
  insertReservation,
  leaveUnsettled,
  listReservationHolders,
  markBudgetLine,
  takeReservation,
} from '#kernel/store/budgets.ts'
import type { WritableDb } from '#kernel/store/database.ts'
import {
  type Account,
  type BudgetMeasure,
  type BudgetRefusal,
  type BudgetStanding,
  budgetMeasure,
  type WorstCase,
} from '#sdk/budgets.ts'
import { timestamp } from '#sdk/ids.ts'
import { isRunning } from '#sdk/is-running.ts'
import type { CostRecord } from '#sdk/services/kernel.ts'
import type { BudgetLines } from './lines.ts'
import { toDollars, toNanodollars, toNanodollarsAtLeast } from './nanodollars.ts'
import { dayOf, endOf, periodOf, placesOf } from './places.ts'

/** A line that was met for the first time, and is yet to be told of. */
export interface Crossing {
  line: 'soft' | 'hard'
  standing: BudgetStanding
}

export interface LedgerDeps {
  db: WritableDb
  bus: Pick<EventBus, 'publish'>
  log: Logger
  lines: () => BudgetLines
  now?: () => number
}

interface ReservationRequest {
  id: string
  /** The process that makes the call. */
  holder: string
  model: string
  account: Account
  worst: WorstCase
}

/**
 * What was spent and what is set aside, for each scope, key and period. Each act is one transaction, so that calls at
 * the same time never pass a hard line together.
 */
export class BudgetLedger {
  readonly #deps: Required<LedgerDeps>
  /** The inference processes that may have calls under way, and their process numbers. */
  readonly #holders = new Map<string, number>()
  readonly #reserve: (request: ReservationRequest) => { refusal: BudgetRefusal | null; crossings: Crossing[] }
  readonly #release: (id: string) => void
  readonly #closeGone: () => Crossing[]
  readonly #noteHard: (refusal: BudgetRefusal) => Crossing[]

  constructor({ now = Date.now, ...deps }: LedgerDeps) {
    this.#deps = { ...deps, now }
    const { db } = deps
    this.#reserve = db.transaction((request: ReservationRequest) => this.#reserveIn(request))
    this.#release = db.transaction((id: string) => this.#releaseIn(id))
    this.#closeGone = db.transaction(() => this.#closeGoneIn())
    this.#noteHard = db.transaction((refusal: BudgetRefusal) => this.#noteHardIn(refusal))
  }

  /**
   * A process that will reserve under this name. Those before it may be gone: a process that is being replaced lives on
   * until its calls have ended, and books them itself.
   */
  addHolder(holder: string, pid: number): void {
    this.#holders.set(holder, pid)
    this.#forgetDead()
    this.closeAbandoned()
  }

  /** Books the worst case of calls whose process is no more: they may have been billed. */
  closeAbandoned(): void {
    this.announce(this.#closeGone())
  }

  /** Where an account stands with every line that applies to it. */
  standings(account: Account): BudgetStanding[] {
    this.#noticeDeaths()
    return placesOf(account, this.#today()).flatMap((place) =>
      this.#standingsAt(place, findBudgetAccount(this.#deps.db, place)),
    )
  }

  /** Sets the worst case aside in every scope of the account, or says which hard line stands in the way. */
  reserve(request: ReservationRequest): BudgetRefusal | null {
    this.#noticeDeaths()
    const { refusal, crossings } = this.#reserve(request)
    this.announce(crossings)
    return refusal
  }

  release(id: string): void {
    this.#release(id)
  }

  /** Books a cost in place of what was set aside for it; called within the transaction that stores its row. */
  book(cost: CostRecord & { created_at: string }): Crossing[] {
    if (cost.cached) return []
    const { db, log } = this.#deps
    const reservation = cost.reservation_id === null ? undefined : takeReservation(db, cost.reservation_id)
    const spent = { cost: toNanodollars(cost.cost), tokens: cost.tokens_in + cost.tokens_out }
    if (reservation && (spent.cost > reservation.cost || spent.tokens > reservation.tokens)) {
      const { model, tokens } = reservation
      const reserved = { cost: toDollars(reservation.cost), tokens }
      log.warn(
        { model, reserved, used: { cost: cost.cost, tokens: spent.tokens } },
        'a call used more than was set aside',
      )
    }
    const places = placesOf(reservation ?? cost, reservation?.day ?? dayOf(cost.created_at))
    return places.flatMap((place) => {
      const held = reservation && { cost: -reservation.cost, tokens: -reservation.tokens }
      const freed = !held
        ? {}
        : reservation.unsettled_at === null
          ? { reserved_cost: held.cost, reserved_tokens: held.tokens }
          : { unsettled_cost: held.cost, unsettled_tokens: held.tokens }
      return this.#crossings(addToBudgetAccount(db, place, { ...spent, ...freed }, this.#timestamp()))
    })
  }

  /** A hard line kept a call from a model. */
  noteHardLine(refusal: BudgetRefusal): void {
    this.announce(this.#noteHard(refusal))
  }

  /** Called once what brought them about is stored. */
  announce(crossings: readonly Crossing[]): void {
    for (const { line, standing } of crossings) {
      const { scope, key, measure, spent, reserved, begins_anew_at } = standing
      const fields = { scope, key, measure, line: standing[line] ?? 0, spent, reserved, begins_anew_at }
      this.#deps.log.warn(fields, `the ${line} line of a budget is reached`)
      this.#deps.bus.publish(`budget_${line}_line`, fields)
    }
  }

  #reserveIn({ id, holder, model, account, worst }: ReservationRequest) {
    const { db } = this.#deps
    const day = this.#today()
    const cost = toNanodollarsAtLeast(worst.cost)
    const { tokens } = worst
    const places = placesOf(account, day)
    for (const place of places) {
      const row = findBudgetAccount(db, place)
      const refusing = this.#standingsAt(place, row).find((standing) => wouldPass(standing, row, { cost, tokens }))
      if (refusing?.hard == null) continue
      const { soft: _, hard, ...used } = refusing
      const refusal = { ...used, hard }
      return { refusal, crossings: this.#noteHardIn(refusal) }
    }
    const now = this.#timestamp()
    insertReservation(db, { ...account, id, holder, model, day, cost, tokens, created_at: now })
    for (const place of places) addToBudgetAccount(db, place, { reserved_cost: cost, reserved_tokens: tokens }, now)
    return { refusal: null, crossings: [] }
  }

  #releaseIn(id: string): void {
    const { db } = this.#deps
    const reservation = takeReservation(db, id)
    if (!reservation) return
    const { cost, tokens, day } = reservation
    const change =
      reservation.unsettled_at === null
        ? { reserved_cost: -cost, reserved_tokens: -tokens }
        : { unsettled_cost: -cost, unsettled_tokens: -tokens }
    for (const place of placesOf(reservation, day)) addToBudgetAccount(db, place, change, this.#timestamp())
  }

  #closeGoneIn(): Crossing[] {
    const { db, log } = this.#deps
    const now = this.#timestamp()
    const gone = listReservationHolders(db).filter((holder) => !this.#holders.has(holder))
    return gone.flatMap((holder) => {
      const left = leaveUnsettled(db, holder, now)
      log.warn({ calls: left.length }, 'calls were cut off that may have been billed; their worst case is booked')
      return left.flatMap((reservation) =>
        placesOf(reservation, reservation.day).flatMap((place) => {
          const { cost, tokens } = reservation
          const row = addToBudgetAccount(
            db,
            place,
            { reserved_cost: -cost, reserved_tokens: -tokens, unsettled_cost: cost, unsettled_tokens: tokens },
            now,
          )
          return this.#crossings(row)
        }),
      )
    })
  }

  #noteHardIn(refusal: BudgetRefusal): Crossing[] {
    const { db } = this.#deps
    const place = { scope: refusal.scope, key: refusal.key, period: periodOf(refusal.scope, this.#today()) }
    if (findBudgetAccount(db, place)?.hard_at) return []
    const now = this.#timestamp()
    addToBudgetAccount(db, place, {}, now)
    if (!markBudgetLine(db, 'hard', place, now)) return []
    return [{ line: 'hard', standing: { ...refusal, soft: null } }]
  }

  /** The lines that what is spent by now has met for the first time. */
  #crossings(row: AccountRow): Crossing[] {
    const standings = this.#standingsAt(row, row)
    return (['soft', 'hard'] as const).flatMap((line) => {
      const met = standings.find((standing) => standing[line] !== null && standing.spent >= standing[line])
      if (!met || row[`${line}_at`] !== null) return []
      return markBudgetLine(this.#deps.db, line, row, this.#timestamp()) ? [{ line, standing: met }] : []
    })
  }

  #standingsAt(place: AccountPlace, row: AccountRow | undefined): BudgetStanding[] {
    const lines = this.#deps.lines()[place.scope]
    return budgetMeasure.options.flatMap((measure) => {
      const { soft, hard } = lines[measure]
      if (soft === null && hard === null) return []
      const { scope, key, period } = place
      return [{ scope, key, measure, soft, hard, ...usedOf(row, measure), begins_anew_at: endOf(period) }]
    })
  }

  /** Of one process alone the next one will be told; one that was being replaced may have died since. */
  #noticeDeaths(): void {
    if (this.#holders.size > 1 && this.#forgetDead()) this.closeAbandoned()
  }

  #forgetDead(): boolean {
    const dead = [...this.#holders].filter(([, pid]) => !isRunning(pid))
    for (const [holder] of dead) this.#holders.delete(holder)
    return dead.length > 0
  }

  #today(): string {
    return dayOf(this.#timestamp())
  }

  #timestamp(): string {
    return timestamp(this.#deps.now())
  }
}

function usedOf(row: AccountRow | undefined, measure: BudgetMeasure): { spent: number; reserved: number } {
  if (!row) return { spent: 0, reserved: 0 }
  return measure === 'cost'
    ? { spent: toDollars(row.cost + row.unsettled_cost), reserved: toDollars(row.reserved_cost) }
    : { spent: row.tokens + row.unsettled_tokens, reserved: row.reserved_tokens }
}

/** A call that costs nothing passes no line in dollars, also not one that is passed already. */
function wouldPass(
  { measure, hard }: BudgetStanding,
  row: AccountRow | undefined,
  more: { cost: number; tokens: number },
): boolean {
  if (hard === null || more[measure] === 0) return false
  if (measure === 'cost') {
    const used = row ? row.cost + row.unsettled_cost + row.reserved_cost : 0
    return used + more.cost > toNanodollars(hard)
  }
  const used = row ? row.tokens + row.unsettled_tokens + row.reserved_tokens : 0
  return used + more.tokens > hard
}
