import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { LiveConfig } from '#kernel/config/live-config.ts'
import { configSchema } from '#kernel/config/schema.ts'
import { createEventBus } from '#kernel/events/bus.ts'
import type { ActionDeps } from '#kernel/scheduler/actions/action.ts'
import { readNewJob } from '#kernel/scheduler/job-input.ts'
import { RunDesk } from '#kernel/scheduler/run-desk.ts'
import { SchedulerTerms } from '#kernel/scheduler/scheduler-terms.ts'
import { type CronJobRow, insertCronJob } from '#kernel/store/cron-jobs.ts'
import { sql } from '#kernel/store/database.ts'
import type { cronRoutes } from '#sdk/contracts/cron.ts'
import type { events } from '#sdk/events.ts'
import type { RouteBody } from '#sdk/route.ts'
import type { CallContext, CallOptions, Client } from '#sdk/service.ts'
import type { kernelForScheduler } from '#sdk/services/kernel.ts'
import type { RunRow } from './cron-rows.ts'
import { temporaryStore } from './temp-store.ts'

export type KernelClient = Client<typeof kernelForScheduler>

/** The kernel's real terms over a real store, without the rest of a kernel: enough for jobs that ask for nothing but it. */
export function schedulerScene(settings: Record<string, unknown> = {}) {
  const { store } = temporaryStore()
  const log = pino({ enabled: false })
  const bus = createEventBus<typeof events>({ db: store.write, log })
  onTestFinished(() => bus.close())
  const config = configSchema.parse({ scheduler: settings })
  const deps = { store, bus, log, config: { current: () => config } as LiveConfig } as ActionDeps
  const terms = new SchedulerTerms({ ...deps, desk: new RunDesk(bus), deliver: () => null })
  terms.begin()

  return {
    store,
    terms,
    addJob: (body: Partial<RouteBody<typeof cronRoutes.createJob>>, now: number): CronJobRow => {
      const wanted = {
        name: 'job',
        schedule_kind: 'every',
        schedule_expr: '1s',
        payload_json: { action: 'noop' },
        ...body,
      }
      const job = readNewJob(wanted as RouteBody<typeof cronRoutes.createJob>, { agentId: 'keel', now })
      return insertCronJob(store.durable, { ...job, authority: 'Creator', created_by: 'test' })
    },
    runs: () => sql(store.read, 'SELECT * FROM cron_runs ORDER BY scheduled_for, rowid').all() as RunRow[],
    booked: () => (sql(store.read, 'SELECT count(*) AS n FROM transactions').get() as { n: number }).n,
    /** The terms as a process has them, without a wire between. */
    connect: (): KernelClient => directClient(terms),
  }
}

function directClient({ handlers }: SchedulerTerms): KernelClient {
  const calls = Object.entries(handlers).map(([name, handle]) => {
    const call = async (params: unknown, { signal = new AbortController().signal }: CallOptions = {}) => {
      const context: CallContext = { signal, emit: async () => {} }
      return await (handle as (params: unknown, context: CallContext) => unknown)(params, context)
    }
    return [name, call]
  })
  return Object.fromEntries(calls) as KernelClient
}

/** The client of a process that dies at a call: before the kernel has it, or after the kernel has done it. From then on there is silence. */
export function dyingClient(client: KernelClient, method: keyof KernelClient, when: 'before' | 'after'): KernelClient {
  let isDead = false
  const silence = new Promise<never>(() => {})
  const calls = Object.entries(client).map(([name, call]) => [
    name,
    async (...args: unknown[]) => {
      if (isDead) return await silence
      const isTheEnd = name === method
      if (isTheEnd && when === 'before') isDead = true
      if (isDead) return await silence
      const answer = await (call as (...given: unknown[]) => Promise<unknown>)(...args)
      // What was under way at the death of the process comes back to nobody.
      if (isTheEnd) isDead = true
      return isDead ? await silence : answer
    },
  ])
  return Object.fromEntries(calls) as KernelClient
}
