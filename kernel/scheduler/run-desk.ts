import type { EventBus } from '#kernel/events/bus.ts'
import type { RunNews } from '#kernel/store/cron-claims.ts'
import type { CronRunRow } from '#kernel/store/cron-runs.ts'
import { cutOutput } from '#sdk/cut-output.ts'
import { RuntimeError } from '#sdk/errors.ts'

/** What an event tells of a run's output or error, in bytes; the run itself has all of it. */
const announcedBytes = 4_096

interface Waiter {
  jobId: string
  resolve: (run: CronRunRow) => void
  reject: (reason: unknown) => void
}

/** Tells of what happens to runs: everybody by events, and those who wait for a run's end. */
export class RunDesk {
  readonly #bus: EventBus
  readonly #waiters = new Map<string, Set<Waiter>>()

  constructor(bus: EventBus) {
    this.#bus = bus
  }

  tell(news: readonly RunNews[]): void {
    for (const one of news) {
      this.#publish(one)
      if (one.what === 'finished') for (const { resolve } of this.#waitersOf(one.run.id)) resolve(one.run)
    }
  }

  /** The run once it is over; `timeout`, naming the run, where it is not within `ms`. */
  async ended(run: CronRunRow, ms: number, signal: AbortSignal): Promise<CronRunRow> {
    const { promise, resolve, reject } = Promise.withResolvers<CronRunRow>()
    const waiter = { jobId: run.job_id, resolve, reject }
    const leave = () => reject(signal.reason)
    const late = () => reject(new RuntimeError('timeout', `cron run ${run.id} has not ended yet`, { run_id: run.id }))
    const timer = setTimeout(late, ms)
    signal.addEventListener('abort', leave, { once: true })
    if (signal.aborted) leave()
    const waiters = this.#waiters.get(run.id) ?? new Set()
    this.#waiters.set(run.id, waiters.add(waiter))
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', leave)
      waiters.delete(waiter)
      if (waiters.size === 0) this.#waiters.delete(run.id)
    }
  }

  /** The runs of this job, or of all, will not be heard of any more. */
  dismiss(reason: RuntimeError, jobId?: string): void {
    for (const waiter of [...this.#waiters.values()].flatMap((waiters) => [...waiters]))
      if (jobId === undefined || waiter.jobId === jobId) waiter.reject(reason)
  }

  #waitersOf(runId: string): Waiter[] {
    return [...(this.#waiters.get(runId) ?? [])]
  }

  #publish({ what, run, job }: RunNews): void {
    const { id: job_id, name } = job
    const { id: run_id, trigger, scheduled_for, attempt } = run
    const fields = { job_id, name, job_name: name, run_id, trigger, scheduled_for }
    switch (what) {
      case 'started':
        this.#bus.publish('cron_run_started', { ...fields, attempt })
        break
      case 'retrying': {
        const retry_at = run.not_before ?? run.created_at
        this.#bus.publish('cron_run_retrying', { ...fields, attempt, error: cut(run.error ?? ''), retry_at })
        break
      }
      case 'finished': {
        const { status, duration_ms } = run
        const error = run.error === null ? null : cut(run.error)
        this.#bus.publish('cron_run_finished', { ...fields, status, duration_ms, error, attempt })
        break
      }
      case 'skipped': {
        const { missed_until: until, missed_count: count, error: reason } = run
        const told = { until: until ?? scheduled_for, count: count ?? 1, reason: reason ?? '' }
        this.#bus.publish('cron_run_skipped', { ...fields, ...told })
        break
      }
      case 'announced': {
        const text = cut(run.output_text || (run.error ?? ''))
        this.#bus.publish('cron_run_announced', { ...fields, channel: job.delivery_channel ?? '', text })
        break
      }
      case 'job_paused': {
        const { last_status, consecutive_errors } = job
        this.#bus.publish('cron_job_paused', { job_id, name, status: last_status ?? '', consecutive_errors })
        this.#bus.publish('cron_job_changed', { job_id, op: 'update' })
      }
    }
  }
}

function cut(text: string): string {
  return cutOutput(text, announcedBytes)
}
