import { setImmediate as nextRound } from 'node:timers/promises'
import { lowerAuthority } from '#kernel/policy/authority.ts'
import { cancelWaiting, type Deliver, insertManualRun } from '#kernel/store/cron-claims.ts'
import {
  type CronJobFields,
  type CronJobRow,
  countCronJobs,
  deleteCronJob,
  deleteDoneOneShots,
  forgiveCronJob,
  insertCronJob,
  loadCronJob,
  pauseCronJob,
  updateCronJob,
} from '#kernel/store/cron-jobs.ts'
import { type CronRunRow, deleteRunsOfJob, loadCronRun } from '#kernel/store/cron-runs.ts'
import type { ReadableDb } from '#kernel/store/database.ts'
import type { Tool } from '#kernel/tools/tool.ts'
import type { cronRoutes } from '#sdk/contracts/cron.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { RouteBody } from '#sdk/route.ts'
import type { Client, ServiceHandlers } from '#sdk/service.ts'
import type { Authority } from '#sdk/services/agent.ts'
import type { kernelForScheduler } from '#sdk/services/kernel.ts'
import type { schedulerService } from '#sdk/services/scheduler.ts'
import type { ActionDeps } from './actions/action.ts'
import { cronToolsOf } from './cron-tools.ts'
import { readJobChange } from './job-input.ts'
import { RunDesk } from './run-desk.ts'
import { SchedulerTerms } from './scheduler-terms.ts'
import { schedulerSettingsOf, zoneOf } from './settings.ts'

export const maxJobs = 10_000
/** Done jobs that make room for a new one, when there are too many. */
const madeRoom = 100
/** How much longer than a run may take somebody waits for it, in milliseconds. */
const patienceMs = 30_000
/** Runs removed in one transaction: the event loop waits for it. */
const removedAtOnce = 200

export interface SchedulerDeps extends ActionDeps {
  /** There only once the services are. */
  service: () => Pick<Client<typeof schedulerService>, 'configure' | 'wake'>
  /** Hands on what a run has brought. */
  deliver: Deliver
  /** The conversation on a channel that a turn came from, as a job's `delivery_channel`; null for one that came from none. */
  destinationOf: (turnId: string) => string | null
}

/** The kernel's side of the scheduler: it keeps jobs and runs, and does what they are for; when, the service says. */
export class Scheduler {
  readonly #deps: SchedulerDeps
  readonly #desk: RunDesk
  readonly #runs: SchedulerTerms
  readonly terms: ServiceHandlers<typeof kernelForScheduler>
  readonly tools: readonly Tool[]

  constructor(deps: SchedulerDeps) {
    this.#deps = deps
    this.#desk = new RunDesk(deps.bus)
    this.#runs = new SchedulerTerms({ ...deps, desk: this.#desk })
    this.terms = this.#runs.handlers
    this.tools = cronToolsOf(this)
  }

  get read(): ReadableDb {
    return this.#deps.store.read
  }

  get isStalled(): boolean {
    return this.#runs.isStalled
  }

  /** Where what a job brings is heard that was made in this turn; null: nowhere but in its session. */
  destinationOf = (turnId: string | null): string | null => (turnId === null ? null : this.#deps.destinationOf(turnId))

  agentId = (): string => this.#deps.config.current().agent.id

  /** In which people's words about time are understood. */
  zone = (): string => zoneOf(this.#deps.config.current())

  create(job: CronJobFields & Pick<CronJobRow, 'created_by'>): CronJobRow {
    const { durable } = this.#deps.store
    const made = durable.transaction(() => {
      if (countCronJobs(durable) >= maxJobs) deleteDoneOneShots(durable, madeRoom)
      if (countCronJobs(durable) >= maxJobs)
        throw new RuntimeError('conflict', `there are ${maxJobs} cron jobs already`)
      return insertCronJob(durable, job)
    })()
    this.#changed('insert', made)
    return made
  }

  /** Nobody gives a job more authority than they have themselves. */
  update(id: string, body: RouteBody<typeof cronRoutes.updateJob>, by: Authority): CronJobRow {
    const { durable, read } = this.#deps.store
    const job = loadCronJob(read, id)
    const changed = { ...readJobChange(body, job, Date.now()), authority: lowerAuthority(job.authority, by) }
    const { after, news } = durable.transaction(() => {
      const after = updateCronJob(durable, id, changed)
      if (body.enabled === true) forgiveCronJob(durable, id)
      return { after, news: body.enabled === false ? cancelWaiting(durable, after, 'the job was paused') : [] }
    })()
    this.#changed('update', after)
    this.#desk.tell(news)
    return after
  }

  pause(id: string): void {
    const { durable, read } = this.#deps.store
    loadCronJob(read, id)
    const { after, news } = durable.transaction(() => {
      const after = pauseCronJob(durable, id, null)
      return { after, news: cancelWaiting(durable, after, 'the job was paused') }
    })()
    this.#changed('update', after)
    this.#desk.tell(news)
  }

  /** A run under way may end, and is forgotten with the others. */
  async delete(id: string): Promise<void> {
    const { durable, write, read } = this.#deps.store
    const job = loadCronJob(read, id)
    // From here on nothing more is claimed.
    pauseCronJob(durable, id, null)
    while (deleteRunsOfJob(write, id, removedAtOnce) === removedAtOnce) await nextRound()
    deleteCronJob(durable, id)
    this.#desk.dismiss(new RuntimeError('not_found', `cron job ${id} not found`), id)
    this.#changed('delete', { ...job, next_run_at: null })
  }

  /** Runs it beside its schedule and returns the run once it is over. Without anybody who waits the run goes on. */
  async runNow(id: string, signal: AbortSignal): Promise<CronRunRow> {
    const { run, job } = this.#place(id)
    return this.#desk.ended(run, job.timeout_seconds * 1000 + patienceMs, signal)
  }

  /** Runs an occurrence once more that failed, was dropped or did not run; returns the new run. */
  replay(runId: string): CronRunRow {
    const { status, job_id, scheduled_for } = loadCronRun(this.read, runId)
    if (status !== 'error' && status !== 'skipped' && status !== 'cancelled')
      throw new RuntimeError('conflict', `cron run ${runId} is ${status}; only what failed or did not run is run again`)
    return this.#place(job_id, scheduled_for).run
  }

  /** The settings have changed. A process that is not there now asks for them when it starts. */
  configure(): void {
    const { service, config, log } = this.#deps
    service()
      .configure(schedulerSettingsOf(config.current()))
      .catch((err: unknown) => log.warn({ err }, 'the scheduler takes its settings later'))
  }

  /** The kernel has all that a run may need. */
  begin(): void {
    this.#runs.begin()
  }

  /** What is under way may end within `graceMs`; the rest waits for the next kernel. */
  close(graceMs: number): Promise<void> {
    return this.#runs.close(graceMs)
  }

  #place(jobId: string, due?: string): { run: CronRunRow; job: CronJobRow } {
    const placed = insertManualRun(this.#deps.store.durable, jobId, due)
    if (typeof placed === 'string') throw new RuntimeError('conflict', `cron job ${jobId} can not run now: ${placed}`)
    this.#desk.tell(placed.news)
    this.#runs.stopTurns(placed.replaced)
    this.#wake()
    return placed
  }

  #changed(op: 'insert' | 'update' | 'delete', { id: job_id, name, next_run_at }: CronJobRow): void {
    const { bus } = this.#deps
    const event = { insert: 'cron_job_created', update: 'cron_job_updated', delete: 'cron_job_deleted' } as const
    bus.publish(event[op], { job_id, name, next_run_at })
    bus.publish('cron_job_changed', { job_id, op })
    if (op !== 'delete') this.#wake()
  }

  #wake(): void {
    const { service, log } = this.#deps
    // A process that is not there now looks when it starts.
    service()
      .wake({})
      .catch((err: unknown) => log.debug({ err }, 'the scheduler could not be woken'))
  }
}
