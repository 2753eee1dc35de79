import { z } from 'zod'
import { schedule } from '../schedule/schedule.ts'
import { method, notice, service } from '../service.ts'
import { httpCall } from './cron-payload.ts'

/*
 * Times between the scheduler and the kernel are milliseconds since 1970, by the one clock of their machine.
 */

/** What becomes of occurrences that nobody was there for: none runs, the last one, or each. */
export const catchUpPolicy = z.enum(['skip', 'once', 'all'])
export type CatchUpPolicy = z.infer<typeof catchUpPolicy>

/**
 * What becomes of an occurrence that is due while an earlier run is under way: it is dropped, waits for its turn, takes
 * the place of the earlier one, or runs beside it.
 */
export const overlapPolicy = z.enum(['forbid', 'queue', 'replace', 'allow'])
export type OverlapPolicy = z.infer<typeof overlapPolicy>

/** What becomes of a run whose process died in the middle: it is tried again, or ends as an error. */
export const crashPolicy = z.enum(['retry', 'fail'])
export type CrashPolicy = z.infer<typeof crashPolicy>

export const cronTrigger = z.enum(['schedule', 'manual', 'catch_up'])
export type CronTrigger = z.infer<typeof cronTrigger>

export const schedulerSettings = z.object({
  /** Runs under way at once. */
  concurrency: z.number().int().min(1),
  /** A run whose lease was not renewed for so long counts as lost. */
  lease_ms: z.number().int(),
  /** What was missed longer ago than this is not caught up. */
  catch_up_window_ms: z.number().int(),
  /** Hosts that calls may reach although their address is private. */
  allowed_hosts: z.array(z.string()),
})
export type SchedulerSettings = z.infer<typeof schedulerSettings>

/** The bounds of the loop. */
export const schedulerBounds = {
  /** The longest sleep, in milliseconds: a clock that was set, or a machine that slept, is seen after it at the latest. */
  sleepMs: 30_000,
  /** Late by more than this, an occurrence was missed. */
  graceMs: 60_000,
  /** Missed occurrences of one job that are caught up by `all`. */
  catchUps: 100,
  /** Runs of one job that may wait. */
  queue: 100,
  /** Jobs in one claim, and runs in one take. */
  batch: 50,
} as const

/** A job whose time has come. */
export const dueJob = z.object({
  id: z.string(),
  /** Grows with each change of the job: a claim that was planned for an older one is void. */
  revision: z.number().int(),
  schedule,
  next_run_at: z.number().int(),
  catch_up: catchUpPolicy,
})
export type DueJob = z.infer<typeof dueJob>

/** What is to become of a job's occurrences up to now; all of it happens, or nothing. */
export const claimPlan = z.object({
  job_id: z.string(),
  revision: z.number().int(),
  /** As the job had it when this was planned. */
  expected_next: z.number().int(),
  runs: z.array(z.object({ scheduled_for: z.number().int(), trigger: cronTrigger })),
  /** The missed ones that do not run, as one row. */
  missed: z
    .object({
      first: z.number().int(),
      last: z.number().int(),
      /** At least so many. */
      count: z.number().int(),
      reason: z.string(),
    })
    .nullable(),
  /** null: never again. */
  next_run_at: z.number().int().nullable(),
})
export type ClaimPlan = z.infer<typeof claimPlan>

/** A run that its taker, and nobody else, may perform until its lease ends. */
export const takenRun = z.object({
  run_id: z.string(),
  job_id: z.string(),
  /** Of how often it was taken, the first being 1: what an older attempt reports is refused. */
  attempt: z.number().int(),
  max_attempts: z.number().int(),
  /** `job@due`, the same in each attempt. */
  idempotency_key: z.string(),
  /** From here on. */
  timeout_ms: z.number().int(),
  /** What the scheduler calls itself; null for what the kernel performs. */
  http: httpCall.nullable(),
})
export type TakenRun = z.infer<typeof takenRun>

export const runOutcome = z.object({
  status: z.enum(['success', 'error', 'cancelled']),
  output: z.string(),
  error: z.string().nullable(),
  /** Whether another attempt may go better. */
  retryable: z.boolean(),
})
export type RunOutcome = z.infer<typeof runOutcome>

/** Keeps the time: sees what is due, claims it, and has each run done once, within its deadline, again where it failed. */
export const schedulerService = service('scheduler', {
  configure: method({ params: schedulerSettings, result: z.null(), timeoutMs: 10_000, retry: 'safe' }),
  status: method({
    params: z.object({}),
    result: z.object({
      /** The name under which this process holds leases. */
      holder: z.string(),
      running: z.array(z.string()),
      next_wake_at: z.number().nullable(),
    }),
    timeoutMs: 2_000,
    retry: 'safe',
  }),
  /** A job was made or changed, or a run waits: look now. */
  wake: notice(z.object({})),
})
