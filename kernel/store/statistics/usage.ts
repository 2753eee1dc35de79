import { type ReadableDb, sql } from '../database.ts'
import { boundsOf, ofPeriod, type Period, totals } from './period.ts'

/*
 * What the rows of the ledger count for. Money and tokens are those of every row; a turn's call is a row that answers a
 * turn or a client's request, from a model or from the cache, and not one of Keel's own (`analysis`, `memory`,
 * `embedding`, …). A turn is told by its first call; a client's request is a turn of its own.
 */

/** Of rows of `inference_costs`. */
export const isTurnCall = `ifnull(tier, 'cached') = 'cached'`
/** Of rows of `usage_hours` and `usage_rows`, where no tier is an empty text. */
const isTurnUsage = `tier IN ('', 'cached')`

export interface UsageTotals {
  requests: number
  /** Dollars. */
  cost: number
  tokens_in: number
  tokens_out: number
  /** Requests whose tokens are a guess. */
  estimated: number
}

export function usageTotals(db: ReadableDb, period: Period): UsageTotals {
  const text = `SELECT total(calls) AS requests, total(cost) AS cost, total(tokens_in) AS tokens_in,
      total(tokens_out) AS tokens_out, total(estimated_calls) AS estimated
    FROM ${ofPeriod('usage', 'calls, cost, tokens_in, tokens_out, estimated_calls')}`
  return sql(db, text).get(boundsOf(period)) as UsageTotals
}

const turnSums = [
  'calls',
  'cached_calls',
  'tokens_in',
  'tokens_out',
  'cost',
  'uncached_cost',
  'wasted_cost',
  'density',
  'dense_calls',
  'turns',
  'model_turns',
] as const

/** Sums of turns' calls; `total_cost` is that of all calls. Money in dollars. */
export type UsageSums = Record<(typeof turnSums)[number] | 'total_cost', number>

export interface UsageOfDay extends UsageSums {
  /** UTC, `2025-01-31`. */
  day: string
  model: string
}

/** By day and model, oldest first. */
export function usageByDay(
  db: ReadableDb,
  { model, ...period }: Period & { model?: string | undefined },
): UsageOfDay[] {
  const where = model === undefined ? 'true' : 'model = @model'
  const text = `SELECT substr(hour, 1, 10) AS day, model, total(cost) AS total_cost,
      ${turnSums.map((name) => `total(iif(${isTurnUsage}, ${name}, 0)) AS ${name}`).join(', ')}
    FROM ${ofPeriod('usage', `hour, model, tier, ${turnSums.join(', ')}`, where)}
    GROUP BY substr(hour, 1, 10), model ORDER BY day, model`
  return sql(db, text).all({ ...boundsOf(period), ...(model !== undefined && { model }) }) as UsageOfDay[]
}

export function sumUsage(days: readonly UsageSums[]): UsageSums {
  const all = Object.fromEntries(['total_cost', ...turnSums].map((name) => [name, 0])) as UsageSums
  for (const day of days) for (const name of ['total_cost', ...turnSums] as const) all[name] += day[name]
  return all
}

export interface CacheUse {
  by_level: { exact: number; semantic: number; tool_ttl: number }
  misses: number
  tokens_saved: number
}

const cacheSums = ['exact_hits', 'semantic_hits', 'tool_hits', 'misses', 'tokens_saved'] as const

/** What the cache was asked and what it spared. */
export function cacheUse(db: ReadableDb, period: Period): CacheUse {
  const text = `SELECT ${totals(cacheSums)} FROM ${ofPeriod('usage', cacheSums.join(', '))}`
  const sums = sql(db, text).get(boundsOf(period)) as Record<(typeof cacheSums)[number], number>
  const by_level = { exact: sums.exact_hits, semantic: sums.semantic_hits, tool_ttl: sums.tool_hits }
  return { by_level, misses: sums.misses, tokens_saved: sums.tokens_saved }
}
