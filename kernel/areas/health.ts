import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import { sql } from '#kernel/store/database.ts'
import { faultOf, faultText, type StoreFault } from '#kernel/store/store-fault.ts'
import type { healthRoutes } from '#sdk/contracts/health.ts'

/** Answers from memory and one indexed read, whatever else is down. */
export const healthHandlers: Handlers<
  typeof healthRoutes,
  Pick<Context, 'version' | 'startedAt' | 'config' | 'store' | 'supervisor' | 'inferenceView' | 'scheduler'>
> = {
  getHealth(_, { version, startedAt, config, store, supervisor, inferenceView, scheduler }) {
    const { agent, models } = config.current()
    const inference = inferenceView.latest()
    const breakers = Object.entries(inference?.breakers ?? {}).map(([name, { state }]) => ({ name, state }))
    const fault = databaseFault(store)
    const database = fault === undefined ? ('ok' as const) : ('error' as const)
    const services = supervisor.status()
    const allOpen = breakers.length > 0 && breakers.every(({ state }) => state === 'open')
    const anyDown = services.some(({ state }) => state === 'down')
    return {
      status: database === 'error' || allOpen || anyDown || scheduler.isStalled ? 'warning' : 'ok',
      version,
      agent: agent.name,
      uptime_seconds: Math.floor((Date.now() - startedAt) / 1000),
      models: {
        primary: models.primary,
        current: inference?.current_model ?? models.primary,
        fallbacks: models.fallbacks,
      },
      providers: breakers,
      checks: {
        database,
        ...(fault && { database_reason: faultText[fault] }),
        scheduler: scheduler.isStalled ? 'stalled' : 'ok',
        providers: Object.fromEntries(breakers.map(({ name, state }) => [name, state])),
        services: Object.fromEntries(services.map(({ name, state }) => [name, state])),
      },
    }
  },
}

/** What is wrong now; after a fault the store itself finds out when it takes writes again. */
function databaseFault(store: Context['store']): StoreFault | undefined {
  try {
    sql(store.read, 'SELECT 1 FROM event_sequence').get()
    return store.fault
  } catch (thrown) {
    return store.fault ?? faultOf(thrown) ?? 'unreadable'
  }
}
