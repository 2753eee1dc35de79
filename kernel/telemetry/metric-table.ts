/** Seconds, for what a caller waits for. */
const requestBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120]
/** Seconds, for what an agent works on. */
const workBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]

interface Declared {
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  labels?: readonly string[]
  buckets?: readonly number[]
}

/** Every metric of Keel's own, by name. Those of the kernel's process come beside them from the library. */
export const metricTable = {
  keel_build_info: { type: 'gauge', help: 'The version that runs; always 1', labels: ['version'] },
  keel_uptime_seconds: { type: 'gauge', help: 'Seconds since this kernel began' },

  keel_http_requests_total: {
    type: 'counter',
    help: 'Requests answered, by the template of their route; "unmatched" for what no route takes',
    labels: ['method', 'route', 'status'],
  },
  keel_http_request_duration_seconds: {
    type: 'histogram',
    help: 'From the head of a request to the end of its answer, streams included',
    labels: ['method', 'route'],
    buckets: requestBuckets,
  },
  keel_websocket_clients: { type: 'gauge', help: 'WebSocket connections' },

  keel_turns_total: { type: 'counter', help: 'Turns that ended, by how', labels: ['status'] },
  keel_turn_duration_seconds: {
    type: 'histogram',
    help: 'From an accepted message to its answer',
    labels: ['status'],
    buckets: workBuckets,
  },
  keel_turns_live: { type: 'gauge', help: 'Turns under way, those that wait for a person included' },
  keel_turns_waiting: { type: 'gauge', help: 'Turns that wait for a person' },

  keel_model_calls_total: {
    type: 'counter',
    help: 'Calls to models that cost something or were answered from the cache, by what for',
    labels: ['model', 'kind'],
  },
  keel_tokens_total: {
    type: 'counter',
    help: 'Tokens of calls to models: input, output, and saved by the cache',
    labels: ['model', 'kind'],
  },
  keel_cost_dollars_total: {
    type: 'counter',
    help: 'Dollars of calls to models, by what for',
    labels: ['model', 'kind'],
  },
  keel_breaker_state: {
    type: 'gauge',
    help: 'Breaker of a provider: 0 closed, 1 half open, 2 open',
    labels: ['provider'],
  },
  keel_breaker_changes_total: {
    type: 'counter',
    help: 'Changes of breakers, by the state they came to',
    labels: ['provider', 'state'],
  },
  keel_provider_headroom_ratio: {
    type: 'gauge',
    help: 'What a provider has left of its limits, 0 to 1',
    labels: ['provider'],
  },
  keel_provider_token_utilization_ratio: {
    type: 'gauge',
    help: 'Tokens of the last minute against the limit of a provider',
    labels: ['provider'],
  },
  keel_provider_request_utilization_ratio: {
    type: 'gauge',
    help: 'Requests of the last minute against the limit of a provider',
    labels: ['provider'],
  },
  keel_cache_entries: { type: 'gauge', help: 'Answers in the cache' },
  keel_cache_hits_total: {
    type: 'counter',
    help: 'Questions answered from the cache since the inference service began',
  },
  keel_cache_misses_total: {
    type: 'counter',
    help: 'Questions that the cache had no answer for since the inference service began',
  },

  keel_tool_calls_total: {
    type: 'counter',
    help: 'Tool calls that ended, by how; "unknown" for a name that is no tool',
    labels: ['tool', 'status'],
  },
  keel_tool_call_duration_seconds: {
    type: 'histogram',
    help: 'How long tools ran',
    labels: ['tool'],
    buckets: workBuckets,
  },
  keel_budget_dollars: {
    type: 'gauge',
    help: "Of the day's budget: spent, reserved by calls under way, unsettled, and its hard line where it has one",
    labels: ['part'],
  },
  keel_budget_tokens: {
    type: 'gauge',
    help: "Of the day's tokens: spent, reserved by calls under way, unsettled, and their hard line where there is one",
    labels: ['part'],
  },

  keel_approvals_pending: { type: 'gauge', help: 'Tool calls that wait for a person' },

  keel_channel_outbox_open: { type: 'gauge', help: 'Messages to be sent', labels: ['channel'] },
  keel_channel_inbox_waiting: { type: 'gauge', help: 'Messages to be handled', labels: ['channel'] },
  keel_cron_runs_running: { type: 'gauge', help: 'Runs of scheduled jobs under way' },

  keel_memory_entries: { type: 'gauge', help: 'Active memories, half a minute old at the most', labels: ['tier'] },
  keel_memory_ingest_waiting: { type: 'gauge', help: 'Turns that are still to be remembered' },

  keel_service_up: { type: 'gauge', help: 'Whether a service is ready', labels: ['service'] },
  keel_service_restarts_total: {
    type: 'counter',
    help: 'Processes of a service that took over after its first',
    labels: ['service'],
  },
  keel_service_resident_memory_bytes: {
    type: 'gauge',
    help: 'Resident memory of the process of a service',
    labels: ['service'],
  },
  keel_service_cpu_seconds_total: {
    type: 'counter',
    help: 'User and system time of the process of a service',
    labels: ['service'],
  },
  keel_service_calls_in_flight: { type: 'gauge', help: 'Calls that a service works on', labels: ['service'] },
  keel_service_calls_queued: { type: 'gauge', help: 'Calls that wait for a process of a service', labels: ['service'] },

  keel_events_total: { type: 'counter', help: 'Events told on the bus', labels: ['type'] },
  keel_events_dropped_total: { type: 'counter', help: 'Events that could not be stored and gave way to newer ones' },

  keel_database_bytes: { type: 'gauge', help: 'Size of the database: its file and its log', labels: ['file'] },

  keel_spans_total: {
    type: 'counter',
    help: 'Spans of traces: exported, dropped because too many waited, failed because the collector did not take them',
    labels: ['result'],
  },
  keel_metrics_source_failures_total: {
    type: 'counter',
    help: 'Sources of these figures that could not be asked',
    labels: ['source'],
  },
} as const satisfies Record<string, Declared>

export type MetricName = keyof typeof metricTable
