import type { Logger } from 'pino'
import type { Approvals } from '#kernel/approvals/approvals.ts'
import type { LiveConfig } from '#kernel/config/live-config.ts'
import type { EventBus } from '#kernel/events/bus.ts'
import type { Home } from '#kernel/home.ts'
import type { Memory } from '#kernel/memory/memory.ts'
import { lowerAuthority } from '#kernel/policy/authority.ts'
import type { ToolJudge } from '#kernel/policy/judge.ts'
import type { Retention } from '#kernel/retention/retention.ts'
import type { CronJobRow } from '#kernel/store/cron-jobs.ts'
import type { CronRunRow } from '#kernel/store/cron-runs.ts'
import type { Store } from '#kernel/store/store.ts'
import type { Toolbox } from '#kernel/tools/toolbox.ts'
import type { InFlight } from '#kernel/turns/in-flight.ts'
import type { TurnRunner } from '#kernel/turns/turn-runner.ts'
import type { Authority } from '#sdk/services/agent.ts'
import type { CronAction, CronPayload } from '#sdk/services/cron-payload.ts'

/*
 * What an action returns is what the run has brought. What it throws is the run's error, and is tried again where that
 * kind of error may pass.
 */

/** What a job with this action has as its payload. */
export type PayloadOf<A extends CronAction> = Extract<CronPayload, { action: A }>

/** One attempt at a run. */
export interface Attempt {
  run: CronRunRow
  job: CronJobRow
  /** Aborts when nobody waits for this attempt any more. */
  signal: AbortSignal
}

export interface ActionDeps {
  store: Store
  bus: EventBus
  config: LiveConfig
  log: Logger
  home: Home
  inFlight: InFlight
  judge: ToolJudge
  approvals: Approvals
  memory: Pick<Memory, 'consolidate'>
  retention: Pick<Retention, 'run'>
  /** There only once the kernel is. */
  turns: () => TurnRunner
  toolbox: () => Toolbox
}

/** Nobody is there when a run is due: it may do what the agent may of itself, and no more than whoever made the job. */
export function authorityOf({ authority }: Pick<CronJobRow, 'authority'>): Authority {
  return lowerAuthority('SelfGenerated', authority)
}
