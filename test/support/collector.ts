import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { eventually } from './daemon.ts'
import { fieldsOf, integerOf, readMessage } from './protobuf.ts'

export type Attribute = string | number | boolean | string[]

/** A span as it was exported, with what its process said of itself. */
export interface CollectedSpan {
  traceId: string
  spanId: string
  /** Empty of a span without a parent. */
  parentId: string
  name: string
  kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer' | undefined
  /** Milliseconds since 1970. */
  start: number
  end: number
  failed: boolean
  attributes: Record<string, Attribute>
  process: Record<string, Attribute>
}

/** `hang` takes requests and says nothing. */
export type CollectorMood = 'well' | 'hang' | number

export interface Collector {
  url: string
  spans: CollectedSpan[]
  headers: IncomingHttpHeaders[]
  /** Each body as it came. */
  bodies: Buffer[]
  /** How it answers from now on; connections that hang are ended. */
  become(mood: CollectorMood): void
  /** The spans of a trace that began here, once there is one for each of these names and a parent for each but the first. */
  wholeTrace(traceId: string, ...names: string[]): Promise<CollectedSpan[]>
  /** The spans of a trace once there is one for each of these names. */
  traceWith(traceId: string, ...names: string[]): Promise<CollectedSpan[]>
  close(): Promise<void>
}

const kinds = [undefined, 'internal', 'server', 'client', 'producer', 'consumer'] as const
const failedCode = 2n

/** A collector on loopback that reads OTLP over HTTP in protocol buffers. */
export async function startCollector({ port = 0 }: { port?: number } = {}): Promise<Collector> {
  const spans: CollectedSpan[] = []
  const headers: IncomingHttpHeaders[] = []
  const bodies: Buffer[] = []
  const hanging = new Set<ServerResponse>()
  let mood: CollectorMood = 'well'

  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      headers.push(request.headers)
      if (mood === 'hang') {
        hanging.add(response)
        return
      }
      if (mood === 'well' && request.url === '/v1/traces') {
        const body = Buffer.concat(parts)
        bodies.push(body)
        spans.push(...spansOf(body))
      }
      response.statusCode = mood === 'well' ? 200 : mood
      response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))

  async function traceOnce(traceId: string, names: string[], isEnough: (found: CollectedSpan[]) => boolean) {
    const found = () => spans.filter((span) => span.traceId === traceId)
    const missing = () => names.filter((name) => !found().some((span) => span.name === name))
    await eventually('the trace', () => missing().length === 0 && isEnough(found()), 10_000).catch((thrown: Error) => {
      const seen = found().map(({ name, spanId, parentId }) => `${name} ${spanId} below ${parentId}`)
      throw new Error(`${thrown.message}: without ${missing().join(', ') || 'parents'}: ${seen.join('; ')}`)
    })
    return found()
  }

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    headers,
    bodies,
    become(next) {
      mood = next
      for (const response of hanging) response.destroy()
      hanging.clear()
    },
    traceWith: (traceId, ...names) => traceOnce(traceId, names, () => true),
    wholeTrace: (traceId, ...names) =>
      traceOnce(traceId, names, (found) => {
        const ids = new Set(['', ...found.map(({ spanId }) => spanId)])
        return found.every(({ parentId }) => ids.has(parentId))
      }),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** By the fields of ExportTraceServiceRequest. */
function spansOf(body: Buffer): CollectedSpan[] {
  return fieldsOf(readMessage(body), 1).flatMap((resourceSpans) => {
    const message = readMessage(resourceSpans)
    const process = attributesOf(fieldsOf(message, 1).flatMap((resource) => fieldsOf(readMessage(resource), 1)))
    return fieldsOf(message, 2)
      .flatMap((scopeSpans) => fieldsOf(readMessage(scopeSpans), 2))
      .map((span) => spanOf(span, process))
  })
}

function spanOf(bytes: Buffer, process: CollectedSpan['process']): CollectedSpan {
  const message = readMessage(bytes)
  const hex = (number: number) => fieldsOf(message, number)[0]?.toString('hex') ?? ''
  const status = fieldsOf(message, 15)[0]
  return {
    traceId: hex(1),
    spanId: hex(2),
    parentId: hex(4),
    name: fieldsOf(message, 5)[0]?.toString() ?? '',
    kind: kinds[Number(integerOf(message, 6))],
    start: Number(integerOf(message, 7)) / 1e6,
    end: Number(integerOf(message, 8)) / 1e6,
    failed: status !== undefined && integerOf(readMessage(status), 3) === failedCode,
    attributes: attributesOf(fieldsOf(message, 9)),
    process,
  }
}

function attributesOf(pairs: readonly Buffer[]): Record<string, Attribute> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const message = readMessage(pair)
      return [fieldsOf(message, 1)[0]?.toString() ?? '', attributeValue(fieldsOf(message, 2)[0] ?? Buffer.alloc(0))]
    }),
  )
}

function attributeValue(bytes: Buffer): Attribute {
  const [field] = readMessage(bytes)
  if (field?.number === 2) return field.integer === 1n
  if (field?.number === 3) return Number(BigInt.asIntN(64, field.integer ?? 0n))
  if (field?.number === 4) return doubleOf(field.integer ?? 0n)
  if (field?.number === 5)
    return fieldsOf(readMessage(field.bytes ?? Buffer.alloc(0)), 1).map((text) => String(attributeValue(text)))
  return field?.bytes?.toString() ?? ''
}

function doubleOf(bits: bigint): number {
  const buffer = Buffer.alloc(8)
  buffer.writeBigUInt64LE(bits)
  return buffer.readDoubleLE()
}
