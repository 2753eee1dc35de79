import { toRuntimeError } from '../errors.ts'
import { redactText } from '../redact.ts'
import { newSpanId, type TraceContext } from './trace-context.ts'

export const spanKinds = ['internal', 'server', 'client', 'producer', 'consumer'] as const
export type SpanKind = (typeof spanKinds)[number]

export type AttributeValue = string | number | boolean | string[]
/** What is undefined is left out. */
export type Attributes = Record<string, AttributeValue | undefined>

/** A span that is over, as it goes over the wire. */
export interface SpanRecord {
  trace_id: string
  span_id: string
  parent_id: string | null
  /** The parent is of another process. */
  remote: boolean
  name: string
  kind: SpanKind
  /** Milliseconds since 1970, with fractions. */
  start: number
  end: number
  attributes: Record<string, AttributeValue>
  failed: boolean
}

export type SpanSink = (record: SpanRecord) => void

export const spanBounds = {
  /** Characters of a name. */
  name: 128,
  /** Attributes of a span, and characters of one and of its key. */
  attributes: 64,
  key: 96,
  text: 1_024,
  /** Texts of one list. */
  list: 32,
  /** Characters of what was said, where that is told at all. */
  content: 16_384,
}

/** Ids, times, name and the keys of its attributes. */
const bareSpanBytes = 1_024

/** Where the clock on the wall and the one that is never set have come further apart than this, in milliseconds, the first is right. */
const maxDriftMs = 2

let origin = performance.timeOrigin

/** Milliseconds since 1970, with fractions. */
export function preciseNow(): number {
  const sinceOrigin = performance.now()
  const wall = Date.now()
  if (Math.abs(wall - (origin + sinceOrigin)) > maxDriftMs) origin = wall - sinceOrigin
  return origin + sinceOrigin
}

export interface SpanStart {
  kind?: SpanKind
  attributes?: Attributes
  /** Milliseconds since 1970; now unless told. */
  startedAt?: number
}

/**
 * A piece of work in a trace. Without a sink nobody keeps it: it then only says where its work belongs. Its attributes never
 * hold what was said or why something failed in words, but for `setContent` where the trace allows that.
 */
export class Span {
  readonly context: TraceContext
  readonly #record: SpanRecord | undefined
  readonly #sink: SpanSink | undefined
  #isOver = false

  constructor(context: TraceContext, recorded?: { record: SpanRecord; sink: SpanSink }) {
    this.context = context
    this.#record = recorded?.record
    this.#sink = recorded?.sink
  }

  get isRecording(): boolean {
    return this.#record !== undefined && !this.#isOver
  }

  set(attributes: Attributes): this {
    const record = this.#record
    if (!record || this.#isOver) return this
    for (const [key, value] of Object.entries(attributes)) {
      if (value === undefined || (!(key in record.attributes) && isFull(record))) continue
      record.attributes[key] = bounded(value)
    }
    return this
  }

  /** What was said or handed over; told only where the operator wants it told, redacted and cut. */
  setContent(key: string, content: () => string): this {
    const record = this.#record
    if (record && !this.#isOver && this.context.hasContent && !isFull(record))
      record.attributes[key] = redactText(content()).slice(0, spanBounds.content)
    return this
  }

  rename(name: string): void {
    if (this.#record && !this.#isOver) this.#record.name = name.slice(0, spanBounds.name)
  }

  /** Marks it as failed, by the kind of error alone: a message may quote what was said. What is known more exactly stays. */
  fail(thrown: unknown): this {
    return this.#record?.failed ? this : this.failAs(toRuntimeError(thrown).kind)
  }

  failAs(errorType: string): this {
    if (this.#record && !this.#isOver) this.#record.failed = true
    return this.set({ 'error.type': errorType })
  }

  /** Hands it on, once. */
  end(at?: number): void {
    if (!this.#record || this.#isOver) return
    this.#isOver = true
    this.#record.end = Math.max(at ?? preciseNow(), this.#record.start)
    this.#sink?.(this.#record)
  }
}

/** A span below `parent`. Where nothing is kept, it is the parent's place itself. */
export function childSpan(parent: Span, name: string, sink: SpanSink | undefined, start: SpanStart = {}): Span {
  if (!parent.context.isSampled || !sink) return parent.isRecording ? new Span(parent.context) : parent
  return recordedSpan({ ...parent.context, spanId: newSpanId() }, name, sink, start, {
    parentId: parent.context.spanId,
    isRemote: false,
  })
}

export function recordedSpan(
  context: TraceContext,
  name: string,
  sink: SpanSink,
  { kind = 'internal', attributes = {}, startedAt = preciseNow() }: SpanStart,
  { parentId, isRemote }: { parentId: string | null; isRemote: boolean },
): Span {
  const record: SpanRecord = {
    trace_id: context.traceId,
    span_id: context.spanId,
    parent_id: parentId,
    remote: isRemote,
    name: name.slice(0, spanBounds.name),
    kind,
    start: startedAt,
    end: startedAt,
    attributes: {},
    failed: false,
  }
  return new Span(context, { record, sink }).set(attributes)
}

/** About how much memory a span takes, in bytes, for whoever has many of them wait. */
export function spanBytes({ attributes }: Pick<SpanRecord, 'attributes'>): number {
  let bytes = bareSpanBytes
  for (const value of Object.values(attributes)) {
    if (typeof value === 'string') bytes += value.length
    else if (Array.isArray(value)) for (const text of value) bytes += text.length
  }
  return bytes
}

function isFull({ attributes }: SpanRecord): boolean {
  return Object.keys(attributes).length >= spanBounds.attributes
}

function bounded(value: AttributeValue): AttributeValue {
  if (typeof value === 'string') return value.slice(0, spanBounds.text)
  return Array.isArray(value) ? value.slice(0, spanBounds.list).map((text) => text.slice(0, spanBounds.text)) : value
}
