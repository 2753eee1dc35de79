import { reasonOf } from '#sdk/errors.ts'
import { type ClaimPlan, type DueJob, schedulerBounds } from '#sdk/services/scheduler.ts'
import { Alarm } from './alarm.ts'
import { pauseAfter } from './ask-kernel.ts'
import { watchClock } from './clock.ts'
import type { SchedulerContext } from './context.ts'
import { planOf, restartedPlan, unreadablePlan } from './plan.ts'
import type { RunsUnderWay } from './runs-under-way.ts'

/** Until the kernel is asked again for what it has said is due, and has not given. */
const refusedMs = 1_000
/** While runs wait for a place, what becomes due in the meantime is looked for so often. */
const backlogMs = 250
/** Planning pauses after so long, for other work to be done. */
const planningMs = 20
/** Jobs that are looked through after the clock was set back. */
const restartedJobs = 10_000
/** No job is due later. */
const endOfTime = Date.UTC(9_999, 11, 31)

/** Sees what is due, claims it, takes runs for the free places, and sleeps until there is something to do again. */
export class Loop {
  readonly #context: SchedulerContext
  readonly #runs: RunsUnderWay
  readonly #alarm: Alarm
  readonly #clockJump: () => number
  /** While nobody looked, too. */
  #clockWentBack = true
  #nextWakeAt: number | null = null
  /** There were more runs to take than places for them. */
  #isBacklogged = false
  /** By the monotonic clock. */
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor(context: SchedulerContext, runs: RunsUnderWay) {
    this.#context = context
    this.#runs = runs
    this.#alarm = new Alarm(context)
    this.#clockJump = watchClock(context.clock)
  }

  get nextWakeAt(): number | null {
    return this.#nextWakeAt
  }

  wake(): void {
    this.#alarm.ring()
  }

  /** Settles when the process is to end. What fails is done again after a pause. */
  async run(): Promise<void> {
    const { clock, log, closing } = this.#context
    let failures = 0
    while (!closing.aborted) {
      let pauseMs: number
      try {
        await this.#noteClock()
        pauseMs = await this.#round()
        failures = 0
      } catch (err) {
        if (closing.aborted) return
        pauseMs = pauseAfter(++failures)
        log.warn({ err, pause_ms: pauseMs }, 'a look at what is due failed')
      }
      this.#nextWakeAt = clock.now() + pauseMs
      await this.#alarm.sleep(pauseMs)
    }
  }

  /** One batch, so that the first runs begin before the last job is claimed. Returns how long to sleep. */
  async #round(): Promise<number> {
    const { kernel, clock } = this.#context
    if (this.#isBacklogged && clock.monotonic() - this.#lookedAt < backlogMs) {
      await this.#take()
      return this.#isBacklogged ? backlogMs : 0
    }
    this.#lookedAt = clock.monotonic()
    const now = clock.now()
    const { jobs, next_at } = await kernel.due({ now, limit: schedulerBounds.batch })
    const hasClaimed = await this.#claim(jobs, now)
    const hasTaken = await this.#take()
    // What the kernel said is no longer so.
    if (hasClaimed || hasTaken) return 0
    if (next_at === null) return schedulerBounds.sleepMs
    // What was to come when the kernel was asked may be due by now.
    return next_at > now ? Math.min(schedulerBounds.sleepMs, Math.max(0, next_at - clock.now())) : refusedMs
  }

  async #claim(jobs: DueJob[], now: number): Promise<boolean> {
    const plans = await this.#plansOf(jobs, (job) => this.#dueJobPlan(job, now))
    return await this.#claimPlans(plans, now)
  }

  async #take(): Promise<boolean> {
    const { kernel, clock, holder, closing } = this.#context
    const limit = Math.min(this.#runs.freePlaces, schedulerBounds.batch)
    if (limit === 0 || closing.aborted) return false
    const takenAt = clock.monotonic()
    const { runs } = await kernel.take({ now: clock.now(), holder, limit })
    if (closing.aborted) return false
    for (const run of runs) this.#runs.begin(run, takenAt)
    this.#isBacklogged = runs.length === limit
    return runs.length > 0
  }

  async #noteClock(): Promise<void> {
    const { kernel, log } = this.#context
    const by_ms = this.#clockJump()
    if (by_ms !== 0) {
      log.warn({ by_ms }, 'the clock was set, or the machine slept')
      if (by_ms < 0) this.#clockWentBack = true
      kernel.reportClockJump({ by_ms }).catch((err) => log.warn({ err }, 'a jump of the clock could not be told'))
      // They are under way: only by the new time have their leases run out.
      await this.#runs.renew()
    }
    if (this.#clockWentBack) await this.#restart()
    this.#clockWentBack = false
  }

  /** Jobs that wait for a time of the clock as it was would be silent until then. */
  async #restart(): Promise<void> {
    const { kernel, clock, closing } = this.#context
    const now = clock.now()
    const { jobs } = await kernel.due({ now: endOfTime, limit: restartedJobs })
    const ahead = jobs.filter(({ next_run_at }) => next_run_at > now)
    const plans = await this.#plansOf(ahead, (job) => this.#restartedJobPlan(job, now))
    while (plans.length > 0 && !closing.aborted) {
      await this.#claimPlans(plans.splice(0, schedulerBounds.batch), now)
      await clock.sleep(0, closing)
    }
  }

  async #plansOf(jobs: DueJob[], plan: (job: DueJob) => ClaimPlan | null): Promise<ClaimPlan[]> {
    const { clock, closing } = this.#context
    const plans: ClaimPlan[] = []
    let pausedAt = clock.monotonic()
    for (const job of jobs) {
      const made = plan(job)
      if (made) plans.push(made)
      if (clock.monotonic() - pausedAt <= planningMs) continue
      await clock.sleep(0, closing)
      pausedAt = clock.monotonic()
    }
    return plans
  }

  /** One job whose zone, for instance, has left the world must not hold up the others. */
  #dueJobPlan(job: DueJob, now: number): ClaimPlan {
    try {
      return planOf(job, now, this.#context.settings)
    } catch (err) {
      this.#context.log.error({ err, job_id: job.id }, 'the schedule of a job cannot be read; it is not due any more')
      return unreadablePlan(job, reasonOf(err))
    }
  }

  #restartedJobPlan(job: DueJob, now: number): ClaimPlan | null {
    try {
      return restartedPlan(job, now)
    } catch (err) {
      // It is dealt with when it is due.
      this.#context.log.error({ err, job_id: job.id }, 'the schedule of a job cannot be read')
      return null
    }
  }

  async #claimPlans(plans: ClaimPlan[], now: number): Promise<boolean> {
    const { kernel, closing } = this.#context
    if (plans.length === 0 || closing.aborted) return false
    const { claimed, replaced } = await kernel.claim({ now, plans })
    this.#runs.drop(replaced)
    return claimed > 0
  }
}
