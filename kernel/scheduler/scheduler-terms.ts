import { setTimeout as delay, setImmediate as nextRound } from 'node:timers/promises'
import {
  claimOccurrences,
  type Deliver,
  findDue,
  findHeldRun,
  finishRun,
  giveBackRuns,
  idempotencyKey,
  isRunWaiting,
  lapseLeases,
  maxAttempts,
  renewLeases,
  takeRuns,
} from '#kernel/store/cron-claims.ts'
import { type CronJobRow, loadCronJob } from '#kernel/store/cron-jobs.ts'
import { type CronRunRow, countRunsUnderWay } from '#kernel/store/cron-runs.ts'
import { cutOutput } from '#sdk/cut-output.ts'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import { isRunning } from '#sdk/is-running.ts'
import { schedule } from '#sdk/schedule/schedule.ts'
import type { ServiceHandlers } from '#sdk/service.ts'
import { type HttpCall, payloadBounds } from '#sdk/services/cron-payload.ts'
import type { kernelForScheduler } from '#sdk/services/kernel.ts'
import { type ClaimPlan, schedulerBounds } from '#sdk/services/scheduler.ts'
import type { ActionDeps } from './actions/action.ts'
import { actionOf, isKnownAction, payloadOf } from './payload.ts'
import { perform } from './perform.ts'
import type { RunDesk } from './run-desk.ts'
import { runSpan } from './run-span.ts'
import { schedulerSettingsOf } from './settings.ts'

/** Rows made in one transaction: the event loop waits for it. */
const maxRowsAtOnce = 100
/** A scheduler that has not looked for so many of its longest sleeps has stopped. */
const stalledSleeps = 3

interface TermsDeps extends ActionDeps {
  desk: RunDesk
  deliver: Deliver
  /** A run waits again, and whoever may take it is to look. */
  wake: () => void
}

/**
 * What the scheduler service may ask of the kernel, for as long as the kernel has not let go of its runs. A claim survives
 * the death of the machine. What becomes of the run afterwards survives that of the process: a machine that forgets the
 * end of a run finds it claimed, and does it again under the same key.
 */
export class SchedulerTerms {
  readonly #deps: TermsDeps
  readonly handlers: ServiceHandlers<typeof kernelForScheduler>
  readonly #begun = Promise.withResolvers<void>()
  readonly #lastEnded = Promise.withResolvers<void>()
  /** The processes that may hold leases, by the name under which they do. */
  readonly #holders = new Map<string, number>()
  /** By a clock that is never set. */
  #lookedAt = performance.now()
  /** Nothing more is begun; and, later, nothing more is recorded. */
  #stage: 'open' | 'closing' | 'closed' = 'open'

  constructor(deps: TermsDeps) {
    this.#deps = deps
    const { store, bus, config, desk } = deps

    this.handlers = {
      start: ({ holder, pid }) => {
        this.#holders.set(holder, pid)
        return schedulerSettingsOf(config.current())
      },

      due: async ({ now, limit }) => {
        this.#lookedAt = performance.now()
        await this.#begun.promise
        if (this.#stage !== 'open') return { jobs: [], next_at: null }
        const { jobs, next_at } = findDue(store.read, timestamp(now), limit)
        return {
          jobs: jobs.map(({ schedule_json, next_run_at, ...job }) => ({
            ...job,
            schedule: schedule.parse(JSON.parse(schedule_json)),
            next_run_at: Date.parse(next_run_at),
          })),
          next_at: next_at === null ? null : Date.parse(next_at),
        }
      },

      claim: async ({ plans }) => {
        const all = { claimed: 0, replaced: [] as string[] }
        for (const batch of batchesOf(plans)) {
          if (this.#stage !== 'open') break
          const { claimed, replaced, news } = claimOccurrences(store.durable, batch)
          desk.tell(news)
          this.stopTurns(replaced)
          all.claimed += claimed
          all.replaced.push(...replaced.map(({ id }) => id))
          await nextRound()
        }
        return all
      },

      take: ({ now, holder, limit }) => {
        if (this.#stage !== 'open') return { runs: [] }
        this.#lapseOfTheDead(timestamp(now))
        if (!isRunWaiting(store.read, timestamp(now))) return { runs: [] }
        desk.tell(lapseLeases(store.write, { endedBy: timestamp(now) }, deps.deliver))
        const until = timestamp(now + schedulerSettingsOf(config.current()).lease_ms)
        const most = Math.min(limit, schedulerBounds.batch)
        const taken = takeRuns(store.write, { holder, now: timestamp(now), until, limit: most })
        desk.tell(taken.map((one) => ({ what: 'started', ...one })))
        return { runs: taken.map(({ run, job }) => takenRun(run, job)) }
      },

      renew: ({ now, holder, runs }) => {
        const until = timestamp(now + schedulerSettingsOf(config.current()).lease_ms)
        // What a failing machine forgets of it, the next kernel does not ask for.
        return {
          lost: renewLeases(
            store.write,
            runs.map((run) => ({ ...run, holder })),
            until,
          ),
        }
      },

      perform: async (held, { signal }) => {
        const run = this.#stage === 'closed' ? undefined : findHeldRun(store.read, held)
        if (!run) throw lostRun(held.run_id)
        const outcome = await perform({ run, job: loadCronJob(store.read, run.job_id), signal }, deps)
        // What failed because Keel is stopping has not failed.
        if (this.#stage !== 'open' && outcome.status === 'error') throw lostRun(held.run_id)
        return outcome
      },

      release: ({ holder }) => {
        giveBackRuns(store.write, holder)
        deps.wake()
        return null
      },

      reportClockJump: ({ by_ms }) => {
        bus.publish('clock_jumped', { by_ms })
        return null
      },

      finish: ({ now, outcome, retry_at, ...held }) => {
        const run = this.#stage === 'closed' ? undefined : findHeldRun(store.read, held)
        if (!run) return { recorded: false }
        const job = loadCronJob(store.read, run.job_id)
        const end = {
          status: outcome.status,
          output: cutOutput(outcome.output, payloadBounds.outputBytes),
          error: outcome.error === null ? null : cutOutput(outcome.error, payloadBounds.outputBytes),
          finished_at: timestamp(now),
          retry_at: retry_at === null ? null : timestamp(retry_at),
          pause_as: pauseFor(job, outcome.status),
        }
        const news = finishRun(store.write, held, end, deps.deliver)
        desk.tell(news ?? [])
        // What the kernel has not performed itself, it has only now heard of.
        if (httpCallOf(job) && run.started_at !== null) {
          const span = runSpan(job, run, Date.parse(run.started_at))
          if (outcome.status === 'error') span.failAs('error')
          span.end(now)
        }
        if (this.#stage === 'closing' && countRunsUnderWay(store.read) === 0) this.#lastEnded.resolve()
        return { recorded: news !== undefined }
      },
    }
    this.#lapseAll()
  }

  get isStalled(): boolean {
    return performance.now() - this.#lookedAt > stalledSleeps * schedulerBounds.sleepMs
  }

  /** From here on the kernel has all that a run may need; until then nothing is due. */
  begin(): void {
    this.#begun.resolve()
  }

  /** Ends the turns of runs whose place was taken. */
  stopTurns(runs: readonly CronRunRow[]): void {
    for (const { turn_id } of runs) {
      if (turn_id !== null) this.#deps.turns().find(turn_id)?.live.cancel('A later run has taken its place')
    }
  }

  /** Waits for what is under way; what is not over by then is the next kernel's to do, as if it had not been begun. */
  async close(graceMs: number): Promise<void> {
    const { store, desk } = this.#deps
    this.#stage = 'closing'
    if (graceMs > 0 && countRunsUnderWay(store.read) > 0)
      await Promise.race([this.#lastEnded.promise, delay(graceMs, undefined, { ref: false })])
    this.#stage = 'closed'
    giveBackRuns(store.durable, null)
    desk.dismiss(new RuntimeError('unavailable', 'Keel is stopping; the run goes on after the next start'))
  }

  /** Whoever held a lease under an earlier kernel is gone. */
  #lapseAll(): void {
    while (this.#lapse({ endedBy: 'now' }) > 0);
  }

  /** A process that is known to have died is not waited for until its leases end: its runs may be taken from `at` on. */
  #lapseOfTheDead(at: string): void {
    for (const [holder, pid] of this.#holders) {
      if (isRunning(pid)) continue
      while (this.#lapse({ holder, at }) > 0);
      this.#holders.delete(holder)
    }
  }

  #lapse(which: Parameters<typeof lapseLeases>[1]): number {
    const { store, desk, deliver } = this.#deps
    const news = lapseLeases(store.write, which, deliver)
    desk.tell(news)
    return news.length
  }
}

function batchesOf(plans: readonly ClaimPlan[]): ClaimPlan[][] {
  const batches: ClaimPlan[][] = []
  let rows = maxRowsAtOnce
  for (const plan of plans) {
    const more = plan.runs.length + 1
    if (rows + more > maxRowsAtOnce) {
      batches.push([])
      rows = 0
    }
    batches.at(-1)?.push(plan)
    rows += more
  }
  return batches
}

function takenRun(run: CronRunRow, job: CronJobRow) {
  return {
    run_id: run.id,
    job_id: job.id,
    attempt: run.attempt,
    max_attempts: maxAttempts(run, job),
    idempotency_key: idempotencyKey(run),
    timeout_ms: job.timeout_seconds * 1000,
    http: httpCallOf(job),
  }
}

/** null as well for a call that can not be read: what is wrong with it is then the run's error. */
function httpCallOf(job: CronJobRow): HttpCall | null {
  try {
    const payload = payloadOf(job)
    return payload.action === 'http' ? payload : null
  } catch (thrown) {
    if (isErrorOf(thrown, 'invalid')) return null
    throw thrown
  }
}

function pauseFor(job: CronJobRow, status: string): string | null {
  return status === 'error' && !isKnownAction(actionOf(job)) ? 'paused_unknown_action' : null
}

function lostRun(id: string): RuntimeError {
  return new RuntimeError('conflict', `cron run ${id} is not yours any more`)
}
