import type { Logger } from 'pino'
import type { EventBus } from '#kernel/events/bus.ts'
import type { Toolbox } from '#kernel/tools/toolbox.ts'
import { events } from '#sdk/events.ts'
import type { CostRecord } from '#sdk/services/kernel.ts'
import { BoundedLabel, otherLabel } from './bounded-label.ts'
import type { gaugeReaders, Sample } from './gauges.ts'
import { type MetricName, metricTable } from './metric-table.ts'

/** Different values of a label that are told apart; later ones are counted together. */
export const labelBounds = { models: 100, providers: 100, tools: 250 }
/** What no route takes, whatever its path. */
const unmatchedRoute = 'unmatched'
const unknownTool = 'unknown'
/** What a call to a model is for where its row does not say. */
const answerKind = 'answer'
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])

export interface MetricsDeps {
  bus: Pick<EventBus, 'subscribe'>
  toolbox: Pick<Toolbox, 'find'>
  log: Logger
  readers: ReturnType<typeof gaugeReaders>
}

export interface CountedRequest {
  method: string
  /** The template of its route; undefined where no route takes it. */
  route: string | undefined
  status: number
  seconds: number
}

/** The figures that Prometheus asks for. What happens is counted as it does; how things stand is read when asked. */
export class Metrics {
  readonly contentType: string
  readonly #deps: MetricsDeps
  readonly #registry: InstanceType<Prom['Registry']>
  readonly #metrics: Record<MetricName, Metric>
  readonly #models = new BoundedLabel(labelBounds.models)
  readonly #providers = new BoundedLabel(labelBounds.providers)
  readonly #tools = new BoundedLabel(labelBounds.tools)
  /** What is read when asked, rather than counted. */
  readonly #standing = new Set<MetricName>()
  #unsubscribe = () => {}

  /** Loads the library, which nobody else needs. */
  static async open(deps: MetricsDeps): Promise<Metrics> {
    return new Metrics((await import('prom-client')).default, deps)
  }

  private constructor(prom: Prom, deps: MetricsDeps) {
    this.#deps = deps
    this.#registry = new prom.Registry()
    this.contentType = this.#registry.contentType
    this.#metrics = declare(prom, this.#registry)
    prom.collectDefaultMetrics({ register: this.#registry, prefix: 'keel_' })
  }

  /** From here on what happens is counted. */
  resume(): void {
    this.#unsubscribe()
    this.#unsubscribe = this.#deps.bus.subscribe(({ type, text }) => this.#event(type, text))
  }

  pause(): void {
    this.#unsubscribe()
    this.#unsubscribe = () => {}
  }

  request({ method: given, route = unmatchedRoute, status, seconds }: CountedRequest): void {
    const method = methods.has(given) ? given : otherLabel
    this.#count('keel_http_requests_total', { method, route, status: String(status) })
    this.#time('keel_http_request_duration_seconds', { method, route }, seconds)
  }

  cost({ model: given, tier, cost, tokens_in, tokens_out, tokens_saved, cached }: CostRecord): void {
    const model = this.#models.of(given)
    const kind = tier ?? answerKind
    this.#count('keel_model_calls_total', { model, kind })
    this.#count('keel_cost_dollars_total', { model, kind }, cost)
    if (cached) this.#count('keel_tokens_total', { model, kind: 'saved' }, tokens_saved)
    else {
      this.#count('keel_tokens_total', { model, kind: 'input' }, tokens_in)
      this.#count('keel_tokens_total', { model, kind: 'output' }, tokens_out)
    }
  }

  /** In the text format of Prometheus. */
  async text(): Promise<string> {
    const readings = await Promise.all(Object.entries(this.#deps.readers).map((source) => this.#read(...source)))
    const samples = readings.flat()
    for (const [name] of samples) this.#standing.add(name)
    // Also those whose source could not be asked: an old figure would look like one of now.
    for (const name of this.#standing) this.#metrics[name].reset()
    for (const [name, value, labels = {}] of samples) this.#put(name, value, labels)
    return this.#registry.metrics()
  }

  close(): void {
    this.pause()
    this.#registry.clear()
  }

  /** One source that can not be asked leaves out what it would have told, and is counted. */
  async #read(source: string, read: () => Sample[] | Promise<Sample[]>): Promise<Sample[]> {
    try {
      return await read()
    } catch (err) {
      this.#deps.log.warn({ err, source }, 'a source of metrics could not be asked')
      this.#count('keel_metrics_source_failures_total', { source })
      return []
    }
  }

  #event(type: string, text: string): void {
    if (type in events) this.#count('keel_events_total', { type })
    if (type === 'turn_completed') {
      const { status, latency_ms } = events.turn_completed.parse(JSON.parse(text))
      this.#count('keel_turns_total', { status })
      this.#time('keel_turn_duration_seconds', { status }, latency_ms / 1000)
    } else if (type === 'tool_call') {
      const { tool: name, status, duration_ms } = events.tool_call.parse(JSON.parse(text))
      // A model may call for whatever it likes.
      const tool = this.#deps.toolbox.find(name) ? this.#tools.of(name) : unknownTool
      this.#count('keel_tool_calls_total', { tool, status })
      if (duration_ms !== null) this.#time('keel_tool_call_duration_seconds', { tool }, duration_ms / 1000)
    } else if (type === 'breaker_changed') {
      const { provider, to } = events.breaker_changed.parse(JSON.parse(text))
      this.#count('keel_breaker_changes_total', { provider: this.#providers.of(provider), state: to })
    }
  }

  #count(name: MetricName, labels: Record<string, string>, by = 1): void {
    const metric = this.#metrics[name]
    if ('inc' in metric) metric.inc(labels, by)
  }

  #time(name: MetricName, labels: Record<string, string>, seconds: number): void {
    const metric = this.#metrics[name]
    if ('observe' in metric) metric.observe(labels, seconds)
  }

  #put(name: MetricName, value: number, labels: Record<string, string>): void {
    const shown = labels.provider === undefined ? labels : { ...labels, provider: this.#providers.of(labels.provider) }
    const metric = this.#metrics[name]
    if ('set' in metric) metric.set(shown, value)
    else this.#count(name, shown, value)
  }
}

type Prom = typeof import('prom-client')
type Metric = InstanceType<Prom['Counter']> | InstanceType<Prom['Gauge']> | InstanceType<Prom['Histogram']>

function declare(prom: Prom, registry: InstanceType<Prom['Registry']>): Record<MetricName, Metric> {
  const makers = { counter: prom.Counter, gauge: prom.Gauge, histogram: prom.Histogram }
  const made = Object.entries(metricTable).map(([name, declared]) => {
    const { type, help } = declared
    const labelNames = 'labels' in declared ? [...declared.labels] : []
    const buckets = 'buckets' in declared ? { buckets: [...declared.buckets] } : {}
    return [name, new makers[type]({ name, help, labelNames, registers: [registry], ...buckets })]
  })
  return Object.fromEntries(made) as Record<MetricName, Metric>
}
