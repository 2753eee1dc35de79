import { onTestFinished } from 'vitest'
import type { SpanRecord } from '#sdk/telemetry/span.ts'
import { keepSpans, type Tracing } from '#sdk/telemetry/tracing.ts'

/** The spans that this process makes until the test's end, in the order in which they end. */
export function keptSpans(given: Partial<Tracing> = {}): SpanRecord[] {
  const spans: SpanRecord[] = []
  onTestFinished(
    keepSpans({ sink: (record) => void spans.push(record), sampleRatio: 1, capturesContent: false, ...given }),
  )
  return spans
}
