import type { RealHandlers } from '#kernel/areas/pending.ts'
import type { Context } from '#kernel/context.ts'
import { listCosts } from '#kernel/store/costs.ts'
import type { statsRoutes } from '#sdk/contracts/stats.ts'
import { timestamp } from '#sdk/ids.ts'

const hourMs = 3_600_000

export const statsHandlers: RealHandlers<
  'stats',
  typeof statsRoutes,
  Pick<Context, 'store' | 'costs' | 'inferenceView' | 'rateLimits'>
> = {
  async listCosts({ query, reply }, { store, costs: ledger }) {
    ledger.flush()
    const { limit, offset, hours } = query
    const since = query.since ?? (hours > 0 ? timestamp(Date.now() - hours * hourMs) : null)
    const costs = listCosts(store.read, { since, limit, offset })
    const summary = await store.pool.run('costSummary', { since })
    const window_hours = since === null ? null : (Date.now() - Date.parse(since)) / hourMs
    reply.header('x-total-count', summary.requests)
    return { costs, summary: { ...summary, window_hours }, total: summary.requests, limit, offset }
  },

  async getCacheStats(_, { inferenceView }) {
    const { cache } = await inferenceView.refresh()
    const lookups = cache.hits + cache.misses
    const hit_rate = lookups === 0 ? 0 : cache.hits / lookups
    return { ...cache, hit_rate, hit_rate_percent: hit_rate * 100, cached_entries: cache.entries }
  },

  async getCapacity(_, { inferenceView }) {
    const { capacity } = await inferenceView.refresh()
    return { providers: capacity }
  },

  getThrottle: (_, { rateLimits }) => rateLimits.stats(),
}
