import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openConfig } from '#kernel/config/live-config.ts'
import { collectorWarnings } from '#kernel/telemetry/collector-warnings.ts'
import { exportSettings } from '#kernel/telemetry/settings.ts'
import { type ExportCounts, openSpanExporter } from '#kernel/telemetry/span-exporter.ts'
import { Telemetry } from '#kernel/telemetry/telemetry.ts'
import type { SpanRecord } from '#sdk/telemetry/span.ts'
import { maxBatchSpans, spanBatch } from '#sdk/telemetry/span-batch.ts'
import { newSpanId, newTraceId } from '#sdk/telemetry/trace-context.ts'
import { rootSpan } from '#sdk/telemetry/tracing.ts'
import { type Collector, startCollector } from '../support/collector.ts'
import { eventually } from '../support/daemon.ts'
import { tempHome } from '../support/temp-home.ts'

let collector: Collector

beforeEach(async () => {
  collector = await startCollector()
})
afterEach(() => collector.close())

const bounds = { queue: 20, queueBytes: 1024 * 1024, batch: 5, delayMs: 5, timeoutMs: 120 }
const kernel = { service: null, pid: 1 }

function logLines() {
  const lines: { level: number; msg: string; lost?: number; reason?: string }[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  return { log, lines, warned: () => lines.filter(({ level }) => level === 40).length }
}

function span(name = 'work'): SpanRecord {
  const start = Date.UTC(2026, 10, 27) + 0.25
  const ids = { trace_id: newTraceId(), span_id: newSpanId(), parent_id: newSpanId() }
  return { ...ids, remote: true, name, kind: 'client', start, end: start + 1.5, attributes: { n: 1 }, failed: true }
}

async function open(url = collector.url) {
  const { log, lines, warned } = logLines()
  const counts: ExportCounts = { exported: 0, dropped: 0, failed: 0 }
  const settings = {
    url: `${url}/v1/traces`,
    headers: { 'x-key': 'k' },
    serviceName: 'keel',
    sampleRatio: 1,
    capturesContent: false,
  }
  const exporter = await openSpanExporter(settings, { version: '1.2.3', log, counts, bounds })
  return { exporter, counts, lines, warned, isOver: () => counts.exported + counts.failed + counts.dropped }
}

test('a span arrives as it was, with whose it is', async () => {
  const { exporter } = await open()
  const given = { ...span(), attributes: { n: -5, big: 2 ** 40, part: 0.5, yes: true, no: false, list: ['a', 'ä'] } }
  exporter.add(given, { service: 'agent', pid: 42 })
  await exporter.close(2_000)
  expect(collector.spans).toMatchObject([
    {
      traceId: given.trace_id,
      spanId: given.span_id,
      parentId: given.parent_id,
      name: 'work',
      kind: 'client',
      failed: true,
      attributes: given.attributes,
      process: {
        'service.name': 'keel.agent',
        'service.namespace': 'keel',
        'service.version': '1.2.3',
        'process.pid': 42,
      },
    },
  ])
  expect(collector.spans[0]?.start).toBeCloseTo(given.start, 2)
  expect(collector.spans[0]?.end).toBeCloseTo(given.end, 2)
  expect(collector.headers[0]).toMatchObject({ 'x-key': 'k', 'content-type': 'application/x-protobuf' })
})

test('what a collector does not take in time is counted, told once, and what comes later arrives', async () => {
  const { exporter, counts, lines, warned, isOver } = await open()
  collector.become('hang')
  for (let n = 0; n < 200; n++) exporter.add(span(), kernel)
  // Bounded: beside what is on its way no more waits than the queue has room for.
  expect(counts.dropped).toBe(200 - bounds.batch - bounds.queue)
  await eventually('everything is given up', () => isOver() === 200)
  expect(counts).toEqual({ exported: 0, dropped: 175, failed: 25 })
  expect(warned()).toBe(1)
  collector.become('well')
  exporter.add(span('later'), kernel)
  await eventually('it arrives', () => collector.spans.some(({ name }) => name === 'later'))
  expect(lines.map(({ msg }) => msg)).toEqual([
    'traces could not be sent to the collector',
    'the collector takes traces again',
  ])
  expect(lines[1]).toMatchObject({ lost: 25 })
  await exporter.close(1_000)
})

test('large spans wait in smaller number, and make room again when they leave', async () => {
  const { exporter, counts, isOver } = await open()
  collector.become('hang')
  const large = { ...span(), attributes: { said: 'x'.repeat(300_000) } }
  for (let n = 0; n < 10; n++) exporter.add(large, kernel)
  expect(counts.dropped).toBe(7)
  collector.become('well')
  await eventually('they have left', () => isOver() === 10)
  for (let n = 0; n < 3; n++) exporter.add(large, kernel)
  await exporter.close(2_000)
  expect(counts.dropped).toBe(7)
  expect(collector.spans.length).toBeGreaterThanOrEqual(3)
})

test('one that comes and goes is told of once a minute', () => {
  const { log, lines } = logLines()
  let now = 0
  const warnings = collectorWarnings(log, 'host', () => now)
  for (let n = 0; n < 100; n++) {
    warnings.failed(new Error('gone'), 1)
    warnings.succeeded()
    now += 1_000
  }
  expect(lines.map(({ level, lost }) => [level, lost])).toEqual([
    [40, 1],
    [30, 1],
    [40, 60],
    [30, 60],
  ])
})

test.each<[string, () => Promise<unknown> | unknown]>([
  ['refuses', () => collector.become(400)],
  ['fails', () => collector.become(500)],
  ['is away', () => collector.close()],
])('a collector that %s costs a line in the log', async (_, breakIt) => {
  const { exporter, counts, warned, isOver } = await open()
  await breakIt()
  for (let n = 0; n < 10; n++) exporter.add(span(), kernel)
  await eventually('everything is given up', () => isOver() === 10)
  expect(counts.failed).toBe(10)
  expect(warned()).toBe(1)
  await exporter.close(1_000)
})

test('an end waits for a collector no longer than it is told to', async () => {
  const { exporter } = await open()
  collector.become('hang')
  exporter.add(span(), kernel)
  const began = performance.now()
  await exporter.close(20)
  expect(performance.now() - began).toBeLessThan(bounds.timeoutMs)
})

test('spans of services are exported as theirs, and what is wrong in a batch makes it none', async () => {
  const { log } = logLines()
  const config = openConfig(tempHome(`[telemetry]\notlp_endpoint = "${collector.url}"\n`), {})
  const telemetry = new Telemetry({ config, env: {}, version: '0', log })
  await telemetry.configure()
  telemetry.takeSpans({ service: 'agent', pid: 7 }, spanBatch.parse({ spans: [span('good')], dropped: 3 }))
  await telemetry.close(2_000)
  expect(collector.spans).toMatchObject([{ name: 'good', process: { 'service.name': 'keel.agent' } }])
  expect(telemetry.counts).toMatchObject({ exported: 1, dropped: 3 })
  expect(rootSpan('afterwards').isRecording).toBe(false)
  for (const wrong of [
    {},
    { spans: 'many', dropped: 0 },
    { spans: [{ ...span(), trace_id: 'x' }], dropped: 0 },
    { spans: [{ ...span(), name: 'n'.repeat(1_000) }], dropped: 0 },
    { spans: [{ ...span(), attributes: { deep: { a: 1 } } }], dropped: 0 },
    { spans: Array.from({ length: maxBatchSpans + 1 }, () => span()), dropped: 0 },
  ])
    expect(spanBatch.safeParse(wrong).success).toBe(false)
})

const telemetryOf = (text: string) => openConfig(tempHome(text), {}).current().telemetry
const endpoint = 'http://127.0.0.1:4318'

test.each<[string, string, NodeJS.ProcessEnv, ReturnType<typeof exportSettings> | { url: string; headers: object }]>([
  ['nothing', '', {}, undefined],
  ['an endpoint', `otlp_endpoint = "${endpoint}"`, {}, { url: `${endpoint}/v1/traces`, headers: {} }],
  ['one with a slash', `otlp_endpoint = "${endpoint}/"`, {}, { url: `${endpoint}/v1/traces`, headers: {} }],
  ['the whole path', `otlp_endpoint = "${endpoint}/v1/traces"`, {}, { url: `${endpoint}/v1/traces`, headers: {} }],
  ['a path before it', `otlp_endpoint = "${endpoint}/otlp"`, {}, { url: `${endpoint}/otlp/v1/traces`, headers: {} }],
  [
    'the environment',
    '',
    { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: 'a=b%20c, X-D = e=f,,nothing' },
    { url: `${endpoint}/v1/traces`, headers: { a: 'b c', 'X-D': 'e=f' } },
  ],
  [
    'the configuration before the environment',
    `otlp_endpoint = "${endpoint}"`,
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://other', OTEL_EXPORTER_OTLP_HEADERS: 'a=b' },
    { url: `${endpoint}/v1/traces`, headers: {} },
  ],
  ['an environment that is wrong', '', { OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' }, undefined],
])('where traces go is said by %s', (_, text, env, expected) => {
  const settings = exportSettings(telemetryOf(text === '' ? '' : `[telemetry]\n${text}\n`), env)
  if (expected) expect(settings).toMatchObject(expected)
  else expect(settings).toBeUndefined()
})
