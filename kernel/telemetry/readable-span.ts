import type { SpanKind } from '@opentelemetry/api'
import type { SpanRecord } from '#sdk/telemetry/span.ts'

const kindNumbers: Record<SpanRecord['kind'], SpanKind> = {
  internal: 0,
  server: 1,
  client: 2,
  producer: 3,
  consumer: 4,
}

/** A span as the exporter reads it. */
export function readableSpan<R>(record: SpanRecord, { resource, version }: { resource: R; version: string }) {
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
