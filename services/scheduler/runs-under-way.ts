import type { TakenRun } from '#sdk/services/scheduler.ts'
import { Alarm } from './alarm.ts'
import { askUntilAnswered } from './ask-kernel.ts'
import type { SchedulerContext } from './context.ts'
import { retryDelay } from './retry-delay.ts'
import { perform } from './run.ts'

interface UnderWay {
  run: TakenRun
  abort: AbortController
  /** By the monotonic clock. */
  leaseEnds: number
}

const renewalsPerLease = 4

/**
 * The runs that this process has taken. Each keeps its lease until it is over; one whose lease is gone, taken away or
 * run out, is ended and not reported, for it is somebody else's.
 */
export class RunsUnderWay {
  readonly #context: SchedulerContext
  readonly #onEnd: () => void
  readonly #underWay = new Map<string, UnderWay>()
  /** With those that were ended and have not noticed yet. */
  readonly #tasks = new Set<Promise<void>>()
  readonly #renewal: Alarm
  readonly #renewing: Promise<void>

  /** `onEnd` is called whenever a place is free again. */
  constructor(context: SchedulerContext, onEnd: () => void) {
    this.#context = context
    this.#onEnd = onEnd
    this.#renewal = new Alarm(context)
    this.#renewing = this.#keepRenewing()
  }

  get ids(): string[] {
    return [...this.#underWay.keys()]
  }

  get freePlaces(): number {
    return Math.max(0, this.#context.settings.concurrency - this.#underWay.size)
  }

  /** `takenAt` is a time of the monotonic clock before the kernel was asked for the run. */
  begin(run: TakenRun, takenAt: number): void {
    // Its lease had lapsed unseen, and this is a new attempt.
    this.drop([run.run_id])
    const { settings } = this.#context
    const underWay = { run, abort: new AbortController(), leaseEnds: takenAt + settings.lease_ms }
    this.#underWay.set(run.run_id, underWay)
    const task = this.#carryOut(run, underWay.abort.signal)
      .catch((err) => this.#context.log.error({ err, run_id: run.run_id }, 'a run could not be reported'))
      .finally(() => {
        if (this.#underWay.get(run.run_id) === underWay) this.#underWay.delete(run.run_id)
        this.#tasks.delete(task)
        this.#onEnd()
      })
    this.#tasks.add(task)
  }

  /** Ends runs that are no longer this process's. */
  drop(runIds: string[]): void {
    for (const id of runIds) {
      this.#underWay.get(id)?.abort.abort()
      this.#underWay.delete(id)
    }
  }

  /** The settings have changed: the time between renewals may be another. */
  reschedule(): void {
    this.#renewal.ring()
  }

  async renew(): Promise<void> {
    const { kernel, clock, log, holder, settings } = this.#context
    const held = [...this.#underWay.values()]
    if (held.length === 0) return
    const leaseEnds = clock.monotonic() + settings.lease_ms
    try {
      const runs = held.map(({ run: { run_id, attempt } }) => ({ run_id, attempt }))
      const request = { now: clock.now(), holder, runs }
      const { lost } = await kernel.renew(request, { timeoutMs: settings.lease_ms / renewalsPerLease })
      for (const underWay of held) underWay.leaseEnds = leaseEnds
      this.#giveUp(held.filter(({ run }) => lost.includes(run.run_id)))
    } catch (err) {
      log.warn({ err }, 'leases could not be renewed')
      this.#giveUp(held.filter((underWay) => underWay.leaseEnds <= clock.monotonic()))
    }
  }

  async close(): Promise<void> {
    this.drop(this.ids)
    await Promise.all([this.#renewing, ...this.#tasks])
  }

  #giveUp(lost: UnderWay[]): void {
    // One that was begun anew in the meantime is another one.
    const current = lost.filter((underWay) => this.#underWay.get(underWay.run.run_id) === underWay)
    for (const { run } of current) this.#context.log.warn({ run_id: run.run_id }, 'a run has lost its lease; it ends')
    this.drop(current.map(({ run }) => run.run_id))
  }

  async #keepRenewing(): Promise<void> {
    const { clock, closing } = this.#context
    while (!closing.aborted) {
      const leaseEnds = [...this.#underWay.values()].map((underWay) => underWay.leaseEnds - clock.monotonic())
      // Where the kernel did not answer, a run ends with its lease, and not some time after it.
      await this.#renewal.sleep(Math.max(0, Math.min(this.#context.settings.lease_ms / renewalsPerLease, ...leaseEnds)))
      if (!closing.aborted) await this.renew()
    }
  }

  async #carryOut(run: TakenRun, signal: AbortSignal): Promise<void> {
    const { kernel, clock, log, holder } = this.#context
    const outcome = await perform(run, { ...this.#context, signal })
    if (!outcome) return
    const { run_id, attempt, max_attempts } = run
    const isRetried = outcome.status === 'error' && outcome.retryable && attempt < max_attempts
    const retry_at = isRetried ? clock.now() + retryDelay(attempt) : null
    const finish = () => kernel.finish({ holder, run_id, attempt, now: clock.now(), outcome, retry_at })
    const answer = await askUntilAnswered(finish, this.#context, signal)
    if (answer?.recorded === false) log.warn({ run_id, attempt }, 'a run was over after it had lost its lease')
  }
}
