import { RuntimeError } from '#sdk/errors.ts'
import { nextAfter } from '#sdk/schedule/occurrences.ts'
import type { Schedule } from '#sdk/schedule/schedule.ts'
import type { CallOptions, Client } from '#sdk/service.ts'
import type { kernelForScheduler } from '#sdk/services/kernel.ts'
import type {
  ClaimPlan,
  CronTrigger,
  DueJob,
  OverlapPolicy,
  RunOutcome,
  SchedulerSettings,
  TakenRun,
} from '#sdk/services/scheduler.ts'

export interface Job extends Omit<DueJob, 'next_run_at'> {
  next_run_at: number | null
  overlap: OverlapPolicy
  max_attempts: number
  timeout_ms: number
  http: TakenRun['http']
}

export interface Run {
  id: string
  job: Job
  scheduled_for: number
  trigger: CronTrigger
  status: 'waiting' | 'running' | 'skipped' | RunOutcome['status']
  attempt: number
  not_before: number
  holder: string | null
  lease_ends: number
  /** When each attempt was taken. */
  taken_at: number[]
  error: string | null
  missed_count: number
}

type Perform = (run: Run, signal: AbortSignal | undefined) => RunOutcome | Promise<RunOutcome>

export const success: RunOutcome = { status: 'success', output: '', error: null, retryable: false }

const settings: SchedulerSettings = {
  concurrency: 8,
  lease_ms: 60_000,
  catch_up_window_ms: 86_400_000,
  allowed_hosts: [],
}

/** The kernel's side of the scheduler's contract, in memory: claims, leases and fencing as the database has them. */
export class SchedulerKernel {
  readonly jobs = new Map<string, Job>()
  readonly runs: Run[] = []
  readonly jumps: number[] = []
  /** The methods that were asked, in order. */
  readonly asked: string[] = []
  settings: SchedulerSettings
  /** Nothing is answered. */
  isDown = false
  /** What a run does; it succeeds at once unless told otherwise. */
  perform: Perform = () => success

  constructor(changed: Partial<SchedulerSettings> = {}) {
    this.settings = { ...settings, ...changed }
  }

  addJob(schedule: Schedule, { from, ...given }: Partial<Job> & { from: number }): Job {
    const id = given.id ?? `job-${this.jobs.size + 1}`
    const job: Job = {
      id,
      revision: 1,
      schedule,
      next_run_at: given.next_run_at ?? nextAfter(schedule, from),
      catch_up: 'once',
      overlap: 'forbid',
      max_attempts: 4,
      timeout_ms: 600_000,
      http: null,
      ...given,
    }
    this.jobs.set(id, job)
    return job
  }

  /** As `job scheduled_for`, of those that ran or will. */
  times(...statuses: Run['status'][]): string[] {
    return this.runs
      .filter(({ status }) => statuses.includes(status))
      .map(({ job, scheduled_for }) => `${job.id} ${new Date(scheduled_for).toISOString()}`)
  }

  connect(): Client<typeof kernelForScheduler> {
    return {
      start: async () => this.settings,
      release: async ({ holder }) =>
        this.#answer('release', () => {
          for (const run of this.runs) {
            if (run.status !== 'running' || run.holder !== holder) continue
            Object.assign(run, { status: 'waiting', holder: null, attempt: run.attempt - 1 })
          }
          return null
        }),
      due: async ({ now, limit }) => this.#answer('due', () => this.#due(now, limit)),
      claim: async ({ plans }) => this.#answer('claim', () => this.#claim(plans)),
      take: async (request) => this.#answer('take', () => this.#take(request)),
      renew: async ({ now, holder, runs }) =>
        this.#answer('renew', () => {
          const held = runs.filter(({ run_id, attempt }) => this.#held({ holder, run_id, attempt }))
          for (const { run_id } of held) this.#run(run_id).lease_ends = now + this.settings.lease_ms
          return { lost: runs.filter((run) => !held.includes(run)).map(({ run_id }) => run_id) }
        }),
      perform: async (asked, options) => this.#perform(asked, options),
      reportClockJump: async ({ by_ms }) => {
        this.jumps.push(by_ms)
        return null
      },
      finish: async ({ now, outcome, retry_at, ...asked }) =>
        this.#answer('finish', () => {
          const run = this.#held(asked)
          if (!run) return { recorded: false }
          run.error = outcome.error
          run.status = retry_at === null ? outcome.status : 'waiting'
          run.not_before = retry_at ?? now
          return { recorded: true }
        }),
    }
  }

  #answer<T>(method: string, answer: () => T): T {
    this.asked.push(method)
    if (this.isDown) throw new RuntimeError('unavailable')
    return answer()
  }

  #due(now: number, limit: number) {
    const due = [...this.jobs.values()].flatMap(({ id, revision, schedule, next_run_at, catch_up }) =>
      next_run_at !== null && next_run_at <= now ? [{ id, revision, schedule, next_run_at, catch_up }] : [],
    )
    const soonest = [
      ...[...this.jobs.values()].map(({ next_run_at }) => next_run_at),
      ...this.runs.map(({ status, not_before }) => (status === 'waiting' && not_before > now ? not_before : null)),
      ...this.runs.map(({ status, lease_ends }) => (status === 'running' ? lease_ends : null)),
    ].filter((at) => at !== null)
    return {
      jobs: due.toSorted((a, b) => a.next_run_at - b.next_run_at).slice(0, limit),
      next_at: soonest.length > 0 ? Math.min(...soonest) : null,
    }
  }

  #claim(plans: ClaimPlan[]) {
    const replaced: string[] = []
    let claimed = 0
    for (const plan of plans) {
      const job = this.jobs.get(plan.job_id)
      if (job?.revision !== plan.revision || job.next_run_at !== plan.expected_next) continue
      job.next_run_at = plan.next_run_at
      claimed++
      const active = this.runs.filter((run) => run.job === job && ['waiting', 'running'].includes(run.status))
      if (plan.missed) {
        const row = this.#insert(job, plan.missed.first, 'catch_up', 'skipped')
        if (row) Object.assign(row, { error: plan.missed.reason, missed_count: plan.missed.count })
      }
      for (const { scheduled_for, trigger } of plan.runs) {
        const isForbidden = job.overlap === 'forbid' && active.length > 0
        const run = this.#insert(job, scheduled_for, trigger, isForbidden ? 'skipped' : 'waiting')
        if (!run || job.overlap !== 'replace') continue
        for (const other of active) other.status = 'cancelled'
        replaced.push(...active.map(({ id }) => id))
      }
    }
    return { claimed, replaced }
  }

  #insert(job: Job, scheduled_for: number, trigger: CronTrigger, status: Run['status']): Run | undefined {
    if (this.runs.some((run) => run.job === job && run.scheduled_for === scheduled_for)) return undefined
    const run: Run = {
      id: `${job.id}@${scheduled_for}`,
      job,
      scheduled_for,
      trigger,
      status,
      attempt: 0,
      not_before: 0,
      holder: null,
      lease_ends: 0,
      taken_at: [],
      error: null,
      missed_count: 0,
    }
    this.runs.push(run)
    return run
  }

  #take({ now, holder, limit }: { now: number; holder: string; limit: number }) {
    for (const run of this.runs) {
      if (run.status === 'running' && run.lease_ends <= now) run.status = 'waiting'
    }
    const runs: TakenRun[] = []
    for (const run of this.runs) {
      if (runs.length === limit || !this.#isTakeable(run, now)) continue
      Object.assign(run, { status: 'running', holder, lease_ends: now + this.settings.lease_ms })
      run.taken_at.push(now)
      const { max_attempts, timeout_ms, http } = run.job
      runs.push({
        run_id: run.id,
        job_id: run.job.id,
        attempt: ++run.attempt,
        max_attempts,
        idempotency_key: run.id,
        timeout_ms,
        http,
      })
    }
    return { runs }
  }

  #isTakeable({ status, not_before, job }: Run, now: number): boolean {
    if (status !== 'waiting' || not_before > now) return false
    return job.overlap === 'allow' || !this.runs.some((run) => run.job === job && run.status === 'running')
  }

  async #perform(asked: HeldRun, options: CallOptions = {}): Promise<RunOutcome> {
    const run = this.#answer('perform', () => this.#held(asked))
    if (!run) throw new RuntimeError('conflict', 'another process has this run')
    const cancelled = Promise.withResolvers<never>()
    options.signal?.addEventListener('abort', () => cancelled.reject(new RuntimeError('cancelled')), { once: true })
    if (options.signal?.aborted) throw new RuntimeError('cancelled')
    return await Promise.race([this.perform(run, options.signal), cancelled.promise])
  }

  #held({ holder, run_id, attempt }: HeldRun): Run | undefined {
    const run = this.#run(run_id)
    return run.status === 'running' && run.holder === holder && run.attempt === attempt ? run : undefined
  }

  #run(id: string): Run {
    const run = this.runs.find((other) => other.id === id)
    if (!run) throw new RuntimeError('not_found', `no run ${id}`)
    return run
  }
}

interface HeldRun {
  holder: string
  run_id: string
  attempt: number
}
