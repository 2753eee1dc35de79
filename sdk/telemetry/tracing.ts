import { AsyncLocalStorage } from 'node:async_hooks'
import { childSpan, recordedSpan, Span, type SpanSink, type SpanStart } from './span.ts'
import { newSpanId, newTraceId, type TraceContext } from './trace-context.ts'

/** What a process does with the spans it makes. */
export interface Tracing {
  /** Takes each span that is over. */
  sink: SpanSink
  /** Which share of the traces that begin here is kept, 0 to 1. */
  sampleRatio: number
  /** Whether spans of traces that begin here may tell what was said. */
  capturesContent: boolean
}

/** Digits of a trace id that decide whether the trace is kept: as many as a number holds exactly. */
const ratioDigits = 13

const active = new AsyncLocalStorage<Span | undefined>()
let tracing: Tracing | undefined

/** Begins keeping spans; returns the way to stop. Without it traces have ids and no spans. */
export function keepSpans(next: Tracing): () => void {
  tracing = next
  return () => {
    if (tracing === next) tracing = undefined
  }
}

/** The piece of work under way here, which what is begun now belongs to. */
export function activeSpan(): Span | undefined {
  return active.getStore()
}

/** The first span of a trace, whose id may be known already; or of Keel in the trace of a caller who may name one. */
export function rootSpan(
  name: string,
  start: SpanStart = {},
  { caller, traceId = caller?.traceId ?? newTraceId() }: { caller?: TraceContext | undefined; traceId?: string } = {},
): Span {
  const isSampled = tracing !== undefined && (caller ? caller.isSampled : isWithin(traceId, tracing.sampleRatio))
  const hasContent = isSampled && tracing?.capturesContent === true
  return spanIn({ traceId, spanId: newSpanId(), isSampled, hasContent }, name, start, {
    parentId: caller?.spanId ?? null,
    isRemote: caller !== undefined,
  })
}

/** A span in a place that is known already, its id too: for what outlives the process that began it. */
export function spanIn(
  context: TraceContext,
  name: string,
  start: SpanStart,
  parent: { parentId: string | null; isRemote: boolean },
): Span {
  return context.isSampled && tracing ? recordedSpan(context, name, tracing.sink, start, parent) : new Span(context)
}

/** A span in this process of work that another one asked for. */
export function servedSpan(name: string, caller: TraceContext, start: SpanStart = {}): Span {
  if (!caller.isSampled || !tracing) return new Span(caller)
  return spanIn({ ...caller, spanId: newSpanId() }, name, start, { parentId: caller.spanId, isRemote: true })
}

/** A span below the active one; undefined outside a trace. */
export function beginSpan(name: string, start: SpanStart = {}): Span | undefined {
  const parent = active.getStore()
  return parent && childSpan(parent, name, tracing?.sink, start)
}

/** Does a piece of work as a span below the active one; outside a trace the work is done without. */
export async function inSpan<T>(
  name: string,
  start: SpanStart,
  work: (span: Span | undefined) => T | Promise<T>,
): Promise<T> {
  const span = beginSpan(name, start)
  return span ? doneIn(span, work) : work(undefined)
}

/** Does the work within the span and ends it, as failed when the work throws. */
export async function doneIn<T>(span: Span, work: (span: Span) => T | Promise<T>): Promise<T> {
  try {
    return await active.run(span, work, span)
  } catch (thrown) {
    span.fail(thrown)
    throw thrown
  } finally {
    span.end()
  }
}

/** Does the work within a span that somebody else ends. */
export function withSpan<T>(span: Span, work: () => T): T {
  return active.run(span, work)
}

/** Does the work outside any trace: what lasts longer than whoever happened to begin it. */
export function detached<T>(work: () => T): T {
  return active.getStore() === undefined ? work() : active.run(undefined, work)
}

function isWithin(traceId: string, ratio: number): boolean {
  return Number.parseInt(traceId.slice(-ratioDigits), 16) < ratio * 16 ** ratioDigits
}
