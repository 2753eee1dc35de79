import { randomFillSync } from 'node:crypto'

/** Where in which trace something happens: what crosses walls, in the form of W3C Trace Context. */
export interface TraceContext {
  /** 32 hexadecimal digits, not all zero. */
  readonly traceId: string
  /** 16 hexadecimal digits, not all zero. */
  readonly spanId: string
  /** Spans of this trace are kept and exported. */
  readonly isSampled: boolean
  /** Their attributes may tell what was said. */
  readonly hasContent: boolean
}

const traceIdBytes = 16
const spanIdBytes = 8
/** Random bytes are drawn so many at a time: a draw costs more than a copy. */
const poolBytes = 4_096

const sampledFlag = 0x01
const traceparentShape = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)/
/** Of the version that is known. */
const knownLength = 55
/** Room for what later versions append. */
const maxTraceparentLength = 128
const contentMark = 'keel=content'
const noTraceId = '0'.repeat(2 * traceIdBytes)
const noSpanId = '0'.repeat(2 * spanIdBytes)

const pool = Buffer.alloc(poolBytes)
let used = poolBytes

export function newTraceId(): string {
  return randomHex(traceIdBytes)
}

export function newSpanId(): string {
  return randomHex(spanIdBytes)
}

/** The context that a `traceparent` names; undefined for what is malformed, of whatever type. */
export function parseTraceparent(traceparent: unknown, tracestate?: unknown): TraceContext | undefined {
  if (typeof traceparent !== 'string' || traceparent.length > maxTraceparentLength) return undefined
  if (!traceparentShape.test(traceparent)) return undefined
  const version = traceparent.slice(0, 2)
  const traceId = traceparent.slice(3, 35)
  const spanId = traceparent.slice(36, 52)
  if (version === 'ff' || (version === '00' && traceparent.length > knownLength)) return undefined
  if (traceId === noTraceId || spanId === noSpanId) return undefined
  const isSampled = (Number.parseInt(traceparent.slice(53, knownLength), 16) & sampledFlag) === sampledFlag
  return { traceId, spanId, isSampled, hasContent: isSampled && tracestate === contentMark }
}

export function traceparentOf({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`
}

/** Between Keel's own processes: whether spans may tell what was said; undefined where there is nothing to say. */
export function tracestateOf({ hasContent }: TraceContext): string | undefined {
  return hasContent ? contentMark : undefined
}

function randomHex(bytes: number): string {
  for (;;) {
    if (used + bytes > poolBytes) {
      randomFillSync(pool)
      used = 0
    }
    const text = pool.toString('hex', used, used + bytes)
    used += bytes
    if (text !== noTraceId && text !== noSpanId) return text
  }
}
