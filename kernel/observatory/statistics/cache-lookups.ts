import type { Context } from '#kernel/context.ts'
import { quotient } from '#kernel/store/statistics/quotient.ts'
import type { CacheUse } from '#kernel/store/statistics/usage.ts'

export interface CacheLookups extends CacheUse {
  hits: number
  /** 0 to 1. */
  hit_rate: number
}

/** How the cache has served, by the ledger: a restart of the service forgets none of it. */
export async function cacheLookups({ store, costs }: Pick<Context, 'store' | 'costs'>): Promise<CacheLookups> {
  costs.flush()
  const use = await store.pool.run('cacheUse', { since: null })
  const { exact, semantic, tool_ttl } = use.by_level
  const hits = exact + semantic + tool_ttl
  return { ...use, hits, hit_rate: quotient(hits, hits + use.misses) }
}
