import { stat } from 'node:fs/promises'
import { budgetLinesOf } from '#kernel/budgets/lines.ts'
import { toDollars } from '#kernel/budgets/nanodollars.ts'
import { dayOf } from '#kernel/budgets/places.ts'
import type { Context } from '#kernel/context.ts'
import { countPendingApprovals } from '#kernel/store/approvals.ts'
import { findBudgetAccount } from '#kernel/store/budgets.ts'
import { countWaitingUpdates } from '#kernel/store/channel-inbox.ts'
import { countOpenDeliveries } from '#kernel/store/channel-outbox.ts'
import { countRunsUnderWay } from '#kernel/store/cron-runs.ts'
import { countIngest } from '#kernel/store/memory-ingest.ts'
import { platformName } from '#sdk/channels/platforms.ts'
import { timestamp } from '#sdk/ids.ts'
import type { MetricName } from './metric-table.ts'
import type { ExportCounts } from './span-exporter.ts'

/** How old the counts of memories may be, in milliseconds: they are taken on the reader pool and grow with the data. */
const memoryFreshMs = 30_000

const breakerNumbers = { closed: 0, half_open: 1, open: 2 } as const

/** What a figure is at the moment it is asked for. */
export type Sample = [name: MetricName, value: number, labels?: Record<string, string>]

export interface GaugeSources
  extends Pick<
    Context,
    'version' | 'startedAt' | 'config' | 'store' | 'bus' | 'supervisor' | 'inferenceView' | 'turns' | 'memory'
  > {
  sockets: { readonly count: number }
  spans: ExportCounts
}

/** By source: from memory or by an index, but for what runs on the reader pool. Each may fail by itself. */
export function gaugeReaders(
  { version, startedAt, config, store, bus, supervisor, inferenceView, turns, memory, sockets, spans }: GaugeSources,
  now: () => number = Date.now,
): Record<string, () => Sample[] | Promise<Sample[]>> {
  let memories: Sample[] = []
  let countedAt = Number.NEGATIVE_INFINITY

  return {
    kernel: () => [
      ['keel_build_info', 1, { version }],
      ['keel_uptime_seconds', (now() - startedAt) / 1000],
      ['keel_websocket_clients', sockets.count],
      ['keel_turns_live', turns.activeCount],
      ['keel_turns_waiting', turns.parkedCount],
      ['keel_events_dropped_total', bus.dropped],
      ['keel_spans_total', spans.exported, { result: 'exported' }],
      ['keel_spans_total', spans.dropped, { result: 'dropped' }],
      ['keel_spans_total', spans.failed, { result: 'failed' }],
    ],

    services: () =>
      supervisor.status().flatMap(({ name: service, ...status }): Sample[] => [
        ['keel_service_up', Number(status.state === 'ready'), { service }],
        ['keel_service_restarts_total', status.restarts, { service }],
        ['keel_service_calls_in_flight', status.calls_in_flight, { service }],
        ['keel_service_calls_queued', status.queued_calls, { service }],
        ['keel_service_resident_memory_bytes', status.rss_bytes ?? 0, { service }],
        ['keel_service_cpu_seconds_total', status.cpu_seconds ?? 0, { service }],
      ]),

    inference() {
      const status = inferenceView.latest()
      if (!status) return []
      const { breakers, capacity, cache } = status
      return [
        ['keel_cache_entries', cache.entries],
        ['keel_cache_hits_total', cache.hits],
        ['keel_cache_misses_total', cache.misses],
        ...Object.entries(breakers).map(
          ([provider, { state }]): Sample => ['keel_breaker_state', breakerNumbers[state], { provider }],
        ),
        ...Object.entries(capacity).flatMap(([provider, of]): Sample[] => [
          ['keel_provider_headroom_ratio', of.headroom, { provider }],
          ['keel_provider_token_utilization_ratio', of.token_utilization, { provider }],
          ['keel_provider_request_utilization_ratio', of.request_utilization, { provider }],
        ]),
      ]
    },

    budget() {
      const day = findBudgetAccount(store.read, { scope: 'day', key: '', period: dayOf(timestamp(now())) })
      const { cost, tokens } = budgetLinesOf(config.current()).day
      return [
        ...parts('keel_budget_dollars', {
          spent: toDollars(day?.cost ?? 0),
          reserved: toDollars(day?.reserved_cost ?? 0),
          unsettled: toDollars(day?.unsettled_cost ?? 0),
          hard_line: cost.hard,
        }),
        ...parts('keel_budget_tokens', {
          spent: day?.tokens ?? 0,
          reserved: day?.reserved_tokens ?? 0,
          unsettled: day?.unsettled_tokens ?? 0,
          hard_line: tokens.hard,
        }),
      ]
    },

    queues: () => [
      ['keel_approvals_pending', countPendingApprovals(store.read).all],
      ['keel_cron_runs_running', countRunsUnderWay(store.read)],
      ['keel_memory_ingest_waiting', countIngest(store.read)],
      ...platformName.options.flatMap((channel): Sample[] => [
        ['keel_channel_outbox_open', countOpenDeliveries(store.read, channel), { channel }],
        ['keel_channel_inbox_waiting', countWaitingUpdates(store.read, channel), { channel }],
      ]),
    ],

    async database() {
      const { path } = config.current().database
      return [
        ['keel_database_bytes', await sizeOf(path), { file: 'main' }],
        ['keel_database_bytes', await sizeOf(`${path}-wal`), { file: 'wal' }],
      ]
    },

    async memories() {
      if (now() - countedAt < memoryFreshMs) return memories
      const counts = await memory.counts(null)
      countedAt = now()
      memories = Object.entries(counts).map(([tier, { active }]) => ['keel_memory_entries', active, { tier }])
      return memories
    },
  }
}

/** A figure for each part that there is. */
function parts(name: MetricName, values: Record<string, number | null>): Sample[] {
  return Object.entries(values).flatMap(([part, value]): Sample[] => (value === null ? [] : [[name, value, { part }]]))
}

/** There is no log where everything is in the file. */
async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return { size: 0 }
    throw thrown
  })
  return found.size
}
