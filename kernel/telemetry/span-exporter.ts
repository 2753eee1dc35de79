import type { Logger } from 'pino'
import { type SpanRecord, spanBytes } from '#sdk/telemetry/span.ts'
import { collectorWarnings } from './collector-warnings.ts'
import { readableSpan } from './readable-span.ts'
import type { ExportSettings } from './settings.ts'

interface ExportBounds {
  queue: number
  queueBytes: number
  batch: number
  delayMs: number
  timeoutMs: number
}

const exportBounds: ExportBounds = {
  /** Spans that wait to be sent; those beyond are counted and dropped. */
  queue: 4_096,
  /** About how many bytes of them: what was said may be among them. */
  queueBytes: 16 * 1024 * 1024,
  /** Spans sent at a time: what the event loop is held up for while they are written. */
  batch: 256,
  /** How long a span waits for others, in milliseconds. */
  delayMs: 250,
  /** How long a collector may take for one batch, tries again included, in milliseconds. */
  timeoutMs: 8_000,
}
/** Requests to the collector at once. */
const concurrency = 2
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
  let waitingBytes = 0
  const exporter: ConstructorParameters<typeof BatchSpanProcessor>[0]['exporter'] = {
    export(spans, done) {
      waiting -= spans.length
      for (const span of spans) waitingBytes -= spanBytes({ attributes: span.attributes as SpanRecord['attributes'] })
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
      const bytes = spanBytes(record)
      if (waiting >= bounds.queue || waitingBytes + bytes > bounds.queueBytes) {
        counts.dropped += 1
        return
      }
      waiting += 1
      waitingBytes += bytes
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
