import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { StoreError } from '#kernel/store/store-fault.ts'
import { type PlatformName, platformName } from '#sdk/channels/platforms.ts'
import { detached } from '#sdk/telemetry/tracing.ts'

/** How long a channel waits after a fault of our own, and while the database takes no writes, in milliseconds. */
const faultMs = 5_000
const storeMs = 2_000

/** How one kind of row is worked through. */
export interface LaneWork<Row> {
  /** What is done, for the log. */
  what: string
  /** Rows at once on each channel. */
  most: number
  /** The first row of each lane, oldest first. */
  heads: (channel: PlatformName) => Row[]
  /** Rows of one lane come one after the other. */
  laneOf: (row: Row) => string
  /** Not before then, in ISO-8601. */
  dueAt: (row: Row) => string
  /** Leaves the row so that it is no head any more or due later. Resolves with how long the whole channel waits, in milliseconds. */
  work: (row: Row, signal: AbortSignal) => Promise<number>
}

/** Works through stored rows: in order within a lane, several lanes at once, and no channel in another's way. */
export class LanePump<Row> {
  readonly #work: LaneWork<Row>
  readonly #log: Logger
  readonly #channels = new Map(platformName.options.map((name) => [name, new ChannelLanes()]))
  readonly #underWay = new Set<Promise<void>>()
  readonly #abort = new AbortController()
  #isOpen = false

  constructor(work: LaneWork<Row>, log: Logger) {
    this.#work = work
    this.#log = log
  }

  /** From here on rows are worked through. */
  open(): void {
    this.#isOpen = true
    this.wake()
  }

  /** There may be something to do on this channel, or on any. Looks once what is being written now is written. */
  wake(channel?: PlatformName): void {
    for (const [name, lanes] of this.#channels) {
      if (!this.#isOpen || lanes.isWoken || (channel !== undefined && name !== channel)) continue
      lanes.isWoken = true
      setImmediate(() => {
        lanes.isWoken = false
        this.#look(name, lanes)
      })
    }
  }

  /** What a channel waited for is there. */
  release(): void {
    for (const lanes of this.#channels.values()) lanes.heldUntil = 0
    this.wake()
  }

  /** Begins nothing more; what is under way may end within `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#isOpen = false
    for (const { timer } of this.#channels.values()) clearTimeout(timer)
    if (graceMs > 0 && this.#underWay.size > 0)
      await Promise.race([Promise.all(this.#underWay), delay(graceMs, undefined, { ref: false })])
    this.#abort.abort()
    await Promise.all(this.#underWay)
  }

  #look(channel: PlatformName, lanes: ChannelLanes): void {
    if (!this.#isOpen) return
    clearTimeout(lanes.timer)
    const now = Date.now()
    if (lanes.heldUntil > now) {
      this.#wakeIn(channel, lanes, lanes.heldUntil - now)
      return
    }
    try {
      let nextDue = Number.POSITIVE_INFINITY
      for (const row of this.#work.heads(channel)) {
        if (lanes.busy.size >= this.#work.most) break
        if (lanes.busy.has(this.#work.laneOf(row))) continue
        const due = Date.parse(this.#work.dueAt(row))
        if (due > now) nextDue = Math.min(nextDue, due)
        else this.#begin(channel, lanes, row)
      }
      if (nextDue !== Number.POSITIVE_INFINITY) this.#wakeIn(channel, lanes, nextDue - now)
    } catch (thrown) {
      this.#wakeIn(channel, lanes, this.#faultWait(channel, thrown))
    }
  }

  #begin(channel: PlatformName, lanes: ChannelLanes, row: Row): void {
    const lane = this.#work.laneOf(row)
    lanes.busy.add(lane)
    const done = detached(() => Promise.try(this.#work.work, row, this.#abort.signal))
      .catch((thrown) => (this.#abort.signal.aborted ? 0 : this.#faultWait(channel, thrown)))
      .then((waitMs) => {
        if (waitMs > 0) lanes.heldUntil = Math.max(lanes.heldUntil, Date.now() + waitMs)
        lanes.busy.delete(lane)
        this.#underWay.delete(done)
        this.wake(channel)
      })
    this.#underWay.add(done)
  }

  #faultWait(channel: PlatformName, err: unknown): number {
    if (err instanceof StoreError) {
      this.#log.warn({ err, channel }, `${this.#work.what} waits until the database takes writes again`)
      return storeMs
    }
    this.#log.error({ err, channel }, `${this.#work.what} failed`)
    return faultMs
  }

  #wakeIn(channel: PlatformName, lanes: ChannelLanes, ms: number): void {
    clearTimeout(lanes.timer)
    lanes.timer = setTimeout(() => this.wake(channel), Math.min(ms, longestTimerMs)).unref()
  }
}

/** Timers hold no longer than this, in milliseconds; what is due later is looked at again then. */
const longestTimerMs = 3_600_000

class ChannelLanes {
  readonly busy = new Set<string>()
  heldUntil = 0
  timer: NodeJS.Timeout | undefined
  isWoken = false
}
