import type { RealHandlers } from '#kernel/areas/pending.ts'
import type { Context } from '#kernel/context.ts'
import { cacheLookups } from '#kernel/observatory/statistics/cache-lookups.ts'
import { sinceHours, sinceOfPeriod } from '#kernel/observatory/statistics/since-of-period.ts'
import { hourLabels } from '#kernel/store/statistics/timeseries.ts'
import type { statsRoutes } from '#sdk/contracts/stats.ts'

const hourMs = 3_600_000
const hoursPerDay = 24

export const statsHandlers: RealHandlers<
  'stats',
  typeof statsRoutes,
  Pick<Context, 'store' | 'costs' | 'inferenceView' | 'rateLimits'>
> = {
  async listCosts({ query, reply }, { store, costs: ledger }) {
    ledger.flush()
    const { limit, offset, hours } = query
    const since = query.since ?? (hours > 0 ? sinceHours(hours) : null)
    const [costs, summary] = await Promise.all([
      store.pool.run('listCosts', { since, limit, offset }),
      store.pool.run('costSummary', { since }),
    ])
    const window_hours = since === null ? null : (Date.now() - Date.parse(since)) / hourMs
    reply.header('x-total-count', summary.requests)
    return { costs, summary: { ...summary, window_hours }, total: summary.requests, limit, offset }
  },

  async listTransactions({ query, reply }, { store }) {
    const { limit, offset } = query
    const since = sinceHours(Math.max(1, Math.abs(query.hours)))
    const { transactions, total } = await store.pool.run('listTransactions', { since, limit, offset })
    reply.header('x-total-count', total)
    return { transactions, total, limit, offset }
  },

  async getCacheStats(_, { store, costs, inferenceView }) {
    const [{ cache }, lookups] = await Promise.all([inferenceView.refresh(), cacheLookups({ store, costs })])
    const { enabled, entries } = cache
    return { ...lookups, hit_rate_percent: lookups.hit_rate * 100, entries, cached_entries: entries, enabled }
  },

  getEfficiency({ query: { period, model } }, { store, costs }) {
    costs.flush()
    return store.pool.run('efficiencyOfPeriod', { period, since: sinceOfPeriod(period), model })
  },

  async getTimeseries({ query }, { store, costs }) {
    costs.flush()
    const asked = { hours: query.days > 0 ? query.days * hoursPerDay : query.hours, now: Date.now() }
    return { hours: asked.hours, labels: hourLabels(asked), series: await store.pool.run('hourlySeries', asked) }
  },

  async getCapacity(_, { inferenceView }) {
    const { capacity } = await inferenceView.refresh()
    return { providers: capacity }
  },

  getThrottle: (_, { rateLimits }) => rateLimits.stats(),
}
