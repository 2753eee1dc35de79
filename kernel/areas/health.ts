import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import { sql } from '#kernel/store/database.ts'
import type { healthRoutes } from '#sdk/contracts/health.ts'

/** Answers from memory and one indexed read, whatever else is down. */
export const healthHandlers: Handlers<
  typeof healthRoutes,
  Pick<Context, 'version' | 'startedAt' | 'config' | 'store' | 'supervisor' | 'inferenceView'>
> = {
  getHealth(_, { version, startedAt, config, store, supervisor, inferenceView }) {
    const { agent, models } = config.current()
    const inference = inferenceView.latest()
    const breakers = Object.entries(inference?.breakers ?? {}).map(([name, { state }]) => ({ name, state }))
    const database = databaseAnswers(store) ? ('ok' as const) : ('error' as const)
    const services = supervisor.status()
    const allOpen = breakers.length > 0 && breakers.every(({ state }) => state === 'open')
    const anyDown = services.some(({ state }) => state === 'down')
    return {
      status: database === 'error' || allOpen || anyDown ? 'warning' : 'ok',
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
        providers: Object.fromEntries(breakers.map(({ name, state }) => [name, state])),
        services: Object.fromEntries(services.map(({ name, state }) => [name, state])),
      },
    }
  },
}

function databaseAnswers(store: Context['store']): boolean {
  try {
    sql(store.read, 'SELECT 1').get()
    return true
  } catch {
    return false
  }
}
