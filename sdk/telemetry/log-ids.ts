import { activeSpan } from './tracing.ts'

/** Which trace a log line belongs to; nothing outside one. */
export function logIds(): { trace_id?: string; span_id?: string } {
  const context = activeSpan()?.context
  return context ? { trace_id: context.traceId, span_id: context.spanId } : {}
}
