import type { SpanKind } from '@opentelemetry/api'
import type { Logger } from 'pino'
import type { SpanRecord } from '#sdk/telemetry/span.ts'
import type { ExportSettings } from './settings.ts'

export interface ExportBounds {
  queue: number
  batch: number
  delayMs: number
  timeoutMs: number
}

export const exportBounds: ExportBounds = {
  /** Spans that wait to be sent; those beyond are counted and dropped. */
  queue: 4_096,
  /** Spans sent at a time: what the event loop is held up for while they are written. */
  batch: 256,
  /** How long a span waits for others, in milliseconds. */
  delayMs: 250,
  /** How long a collector may take for one batch, tries again included, in milliseconds. */
  timeoutMs: 8_000,
}
/** Requests to the collector at once. */
const concurrency = 2
/** A collector that can not be reached is told of once in so many milliseconds. */
const warnEveryMs = 60_000
/** Processes whose description is kept; older ones are described anew. */
const maxProcesses = 64

const headerVariables = ['OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_TRACES_HEADERS'] as const

/** Which process a span is of. */
export interface SpanSource {
  /** Of a service its name; null of the kernel. */
  service: string | null
  pid: number
}

export interface ExportCounts {
  exported: number
  /** No longer taken, because too many waited. */
  dropped: number
  /** The collector did not take them. */
  failed: number
}

export interface SpanExporter {
  add(record: SpanRecord, source: SpanSource): void
  /** Sends what waits, within so many milliseconds, and lets go of the rest. */
  close(ms: number): Promise<void>
}

/** Loads what speaks OTLP, which nobody else needs, and sends spans in batches beside all other work. */
export async function openSpanExporter(
  settings: ExportSettings,
  {
    version,
    log,
    counts,
    bounds = exportBounds,
  }: { version: string; log: Logger; counts: ExportCounts; bounds?: ExportBounds },
): Promise<SpanExporter> {
  const [{ BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
    import('@opentelemetry/resources'),
  ])
  type ReadableSpan = Parameters<InstanceType<typeof BatchSpanProcessor>['onEnd']>[0]

  const warn = collectorWarnings(log, new URL(settings.url).host)
  const otlp = withoutOtherHeaders(
    () =>
      new OTLPTraceExporter({
        url: settings.url,
        headers: settings.headers,
        timeoutMillis: bounds.timeoutMs,
        concurrencyLimit: concurrency,
      }),
  )
  let waiting = 0
  const exporter: ConstructorParameters<typeof BatchSpanProcessor>[0]['exporter'] = {
    export(spans, done) {
      waiting -= spans.length
      let isOver = false
      const finish = (error?: Error) => {
        if (isOver) return
        isOver = true
        clearTimeout(late)
        if (error) {
          counts.failed += spans.length
          warn.failed(error, spans.length)
        } else {
          counts.exported += spans.length
          warn.succeeded()
        }
        // Said here already: the processor would tell an error handler of the whole process.
        done({ code: 0 })
      }
      // One that sends a byte now and then is never idle.
      const late = setTimeout(() => finish(new Error('it took too long')), bounds.timeoutMs * 1.25)
      otlp.export(spans, ({ code, error }) => finish(code === 0 ? undefined : (error ?? new Error('it refused'))))
    },
    shutdown: () => otlp.shutdown(),
  }
  const processor = new BatchSpanProcessor({
    exporter,
    maxQueueSize: bounds.queue,
    maxExportBatchSize: bounds.batch,
    scheduledDelayMillis: bounds.delayMs,
    exportTimeoutMillis: bounds.timeoutMs * 2,
  })

  const resources = new Map<string, ReadableSpan['resource']>()
  function resourceOf({ service, pid }: SpanSource): ReadableSpan['resource'] {
    const key = `${service}:${pid}`
    const known = resources.get(key)
    if (known) return known
    const [oldest] = resources.keys()
    if (resources.size >= maxProcesses && oldest !== undefined) resources.delete(oldest)
    const name = settings.serviceName
    const resource = resourceFromAttributes({
      'service.name': service === null ? name : `${name}.${service}`,
      'service.namespace': name,
      'service.version': version,
      'service.instance.id': `${service ?? 'kernel'}-${pid}`,
      'process.pid': pid,
    })
    resources.set(key, resource)
    return resource
  }

  return {
    add(record, source) {
      if (waiting >= bounds.queue) {
        counts.dropped += 1
        return
      }
      waiting += 1
      processor.onEnd(readableSpan(record, { resource: resourceOf(source), version }) satisfies ReadableSpan)
    },
    async close(ms) {
      const late = Promise.withResolvers<void>()
      const timer = setTimeout(late.resolve, ms)
      await Promise.race([processor.shutdown(), late.promise])
      clearTimeout(timer)
    },
  }
}

/** The exporter adds what the environment has, whatever collector that was meant for: here it is settled already what this one gets. */
function withoutOtherHeaders<T>(make: () => T): T {
  const hidden = headerVariables.map((name) => [name, process.env[name]] as const)
  for (const name of headerVariables) delete process.env[name]
  try {
    return make()
  } finally {
    for (const [name, value] of hidden) if (value !== undefined) process.env[name] = value
  }
}

const kindNumbers: Record<SpanRecord['kind'], SpanKind> = {
  internal: 0,
  server: 1,
  client: 2,
  producer: 3,
  consumer: 4,
}

function readableSpan<R>(record: SpanRecord, { resource, version }: { resource: R; version: string }) {
  const { trace_id: traceId, span_id: spanId, parent_id: parentId, remote: isRemote } = record
  return {
    name: record.name,
    kind: kindNumbers[record.kind],
    spanContext: () => ({ traceId, spanId, traceFlags: 1 }),
    ...(parentId !== null && { parentSpanContext: { traceId, spanId: parentId, traceFlags: 1, isRemote } }),
    startTime: hrTime(record.start),
    endTime: hrTime(record.end),
    duration: hrTime(record.end - record.start),
    status: { code: record.failed ? 2 : 0 },
    attributes: record.attributes,
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationScope: { name: 'keel', version },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  }
}

/** Seconds and nanoseconds. */
function hrTime(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.min(999_999_999, Math.round((ms - seconds * 1000) * 1e6))]
}

/** A collector that is away says so now and then, and when it is back. Its own words stay out of the log. */
function collectorWarnings(log: Logger, collector: string, now: () => number = Date.now) {
  let warnedAt = Number.NEGATIVE_INFINITY
  let lost = 0
  return {
    failed(error: Error & { code?: unknown }, spans: number) {
      lost += spans
      if (now() - warnedAt < warnEveryMs) return
      warnedAt = now()
      const { code, message } = error
      log.warn({ collector, code, reason: message.slice(0, 200), lost }, 'traces could not be sent to the collector')
    },
    succeeded() {
      if (lost === 0) return
      log.info({ collector, lost }, 'the collector takes traces again')
      lost = 0
      warnedAt = Number.NEGATIVE_INFINITY
    },
  }
}
