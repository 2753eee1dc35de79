import { z } from 'zod'
import { account } from '../budgets.ts'
import { get } from '../route.ts'
import { capacityStatus } from '../services/inference.ts'
import { efficiency } from './efficiency.ts'
import { clampedInteger, filter, instant, page, pageInfo, period } from './query.ts'
import { count, dollars, fraction, milliseconds, time } from './values.ts'

export const cost = z.object({
  id: z.string(),
  model: z.string(),
  provider: z.string(),
  tokens_in: count,
  tokens_out: count,
  cost: dollars,
  /** null for ordinary calls, else `cached`, `analysis`, `recommendations`, … */
  tier: z.string().nullable(),
  cached: z.boolean(),
  created_at: time,
  latency_ms: milliseconds.nullable(),
  quality_score: z.number().nullable(),
  escalation: z.boolean(),
  /** The provider told no usage, or only a part of it. */
  estimated: z.boolean(),
  /** Spared by the cache. */
  tokens_saved: count,
  turn_id: z.string().nullable(),
  /** On whose account it went. */
  ...account.shape,
})
export type Cost = z.infer<typeof cost>

export const transaction = z.object({
  id: z.string(),
  tx_type: z.string(),
  amount: z.number(),
  currency: z.string(),
  counterparty: z.string().nullable(),
  tx_hash: z.string().nullable(),
  metadata_json: z.string().nullable(),
  created_at: time,
})

export const throttleStatus = z.object({
  window_secs: count,
  global_count: count,
  global_capacity: count,
  per_ip_capacity: count,
  per_actor_capacity: count,
  throttled_global: count,
  active_ips: count,
  active_actors: count,
  /** At most 10, highest first. */
  top_throttled_ips: z.array(z.tuple([z.string(), count])),
  top_throttled_actors: z.array(z.tuple([z.string(), count])),
})
export type ThrottleStatus = z.infer<typeof throttleStatus>

/** Exactly `hours` values, oldest first. */
const hourly = z.array(z.number())

export const statsRoutes = {
  listCosts: get('/api/stats/costs', {
    summary: 'Inference cost history',
    query: z.object({
      ...page,
      /** 0: no bound. */
      hours: clampedInteger(0, 0, 87_600),
      since: instant,
    }),
    response: z.object({
      costs: z.array(cost),
      summary: z.object({
        total_cost: dollars,
        total_tokens_in: count,
        total_tokens_out: count,
        requests: count,
        /** Of these, those whose tokens are a guess. */
        estimated_requests: count,
        /** null when neither `hours` nor `since` bounds it. */
        window_hours: z.number().nullable(),
      }),
      total: count,
      limit: count,
      offset: count,
    }),
  }),
  listTransactions: get('/api/stats/transactions', {
    summary: 'Financial transaction history',
    query: z.object({
      /** At least 1; its sign counts for nothing. */
      hours: clampedInteger(24, -87_600, 87_600),
      limit: clampedInteger(1000, 1, 5000),
      offset: page.offset,
    }),
    response: z.object({ transactions: z.array(transaction), ...pageInfo }),
  }),
  getCacheStats: get('/api/stats/cache', {
    summary: 'Cache hit/miss statistics',
    response: z.object({
      hits: count,
      misses: count,
      entries: count,
      hit_rate: fraction,
      hit_rate_percent: z.number(),
      cached_entries: count,
      tokens_saved: count,
      enabled: z.boolean(),
      by_level: z.object({ exact: count, semantic: count, tool_ttl: count }),
    }),
  }),
  getEfficiency: get('/api/stats/efficiency', {
    summary: 'Per-model efficiency metrics (period, model filter)',
    query: z.object({ period: period('7d'), model: filter }),
    response: efficiency,
  }),
  getTimeseries: get('/api/stats/timeseries', {
    summary: 'Overview timeseries data (costs, tokens, requests)',
    query: z.object({
      hours: clampedInteger(24, 1, 168),
      /** Another way to say `hours`; wins when it is not 0. */
      days: clampedInteger(0, 0, 7),
    }),
    response: z.object({
      hours: count,
      labels: z.array(z.string()),
      series: z.object({
        cost_per_hour: hourly,
        tokens_per_hour: hourly,
        sessions_per_hour: hourly,
        latency_p50_ms: hourly,
        cron_success_rate: hourly,
        requests_per_hour: hourly,
        tool_latency_p50_ms: hourly,
        errors_per_hour: hourly,
      }),
    }),
  }),
  getCapacity: get('/api/stats/capacity', {
    summary: 'Capacity and usage statistics',
    response: z.object({ providers: z.record(z.string(), capacityStatus) }),
  }),
  getThrottle: get('/api/stats/throttle', {
    summary: 'Rate limits and who runs into them',
    response: throttleStatus,
  }),
}
