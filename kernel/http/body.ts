import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import type { RouteOptions } from '#sdk/route.ts'
import { parsePart } from './issues.ts'
import { parseJsonText } from './json-text.ts'

export const defaultMaxBodyBytes = 1024 * 1024

const jsonType = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i
const foreignCharset = /;\s*charset\s*=\s*(?!"?utf-?8"?\s*(?:;|$))/i
const noBodyAsText = /^\s*(?:\{\s*\}\s*)?$/

const decoders = new Map<string, () => NodeJS.ReadWriteStream & Readable>([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
  ['br', createBrotliDecompress],
  ['zstd', createZstdDecompress],
])

/** The body as the route declares it. Callers are known by now: nothing is read for strangers. */
export async function routeBody(request: IncomingMessage, options: RouteOptions): Promise<unknown> {
  const maxBytes = options.maxBodyBytes ?? defaultMaxBodyBytes
  if (options.rawBody) return readRaw(request, maxBytes, options.unreadable)
  if (!hasBody(request))
    return options.body
      ? parsePart(options.body, absentBody(request, options.body), 'body', options.bodyError)
      : undefined
  if (!options.body) return refuseUnexpected(request, maxBytes)
  requireJsonType(request)
  return parsePart(options.body, await readJson(request, maxBytes), 'body', options.bodyError)
}

async function readRaw(request: IncomingMessage, maxBytes: number, unreadable?: string): Promise<Buffer> {
  try {
    return await readBytes(request, maxBytes)
  } catch (thrown) {
    if (unreadable === undefined || isErrorOf(thrown, 'cancelled')) throw thrown
    throw new RuntimeError('invalid', unreadable, undefined, { cause: thrown })
  }
}

/** Whether bytes follow the head, as far as the head tells. */
export function hasBody({ headers }: IncomingMessage): boolean {
  if (headers['transfer-encoding'] !== undefined) return true
  const length = headers['content-length']
  return length !== undefined && length !== '0'
}

/** No body where the route would take one: fine when its schema says so, but not in the name of another type. */
function absentBody(request: IncomingMessage, schema: NonNullable<RouteOptions['body']>): undefined {
  if (request.headers['content-type'] !== undefined && !schema.safeParse(undefined).success) requireJsonType(request)
  return undefined
}

/** A route without a body takes none, an empty one or `{}` whatever its type; other JSON is read and ignored. */
async function refuseUnexpected(request: IncomingMessage, maxBytes: number): Promise<undefined> {
  const bytes = await readBytes(request, maxBytes)
  const text = decodeUtf8(bytes)
  if (noBodyAsText.test(text)) return undefined
  requireJsonType(request)
  parseJsonText(text)
  return undefined
}

/** Refuses what does not say that it is JSON. */
export function requireJsonType({ headers }: Pick<IncomingMessage, 'headers'>): void {
  const type = headers['content-type']
  if (type === 'application/json') return
  if (type === undefined || !jsonType.test(type) || foreignCharset.test(type)) {
    throw new RuntimeError('unsupported_media', 'unsupported content type: expected application/json')
  }
}

async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const text = decodeUtf8(await readBytes(request, maxBytes))
  // A chunked body may turn out to be empty.
  return text === '' ? undefined : parseJsonText(text)
}

function decodeUtf8(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new RuntimeError('invalid', 'body: is not valid UTF-8')
  return bytes.toString()
}

/** The bytes of the body, decompressed; the declared and the decompressed length both count against the limit. */
export function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.reject(tooLarge(maxBytes))
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
  if (encoding === 'identity' || encoding === '') return collect(request, maxBytes)
  const decoder = decoders.get(encoding)?.()
  if (!decoder) {
    return Promise.reject(new RuntimeError('unsupported_media', `unsupported content encoding: ${encoding}`))
  }
  request.on('error', () => decoder.destroy())
  request.once('close', () => request.complete || decoder.destroy())
  request.pipe(decoder)
  return collect(decoder, maxBytes).finally(() => {
    request.unpipe(decoder)
    decoder.destroy()
  })
}

function collect(source: Readable, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const settle = (finish: () => void) => {
      source.off('data', onData)
      source.off('end', onEnd)
      source.off('close', onClose)
      finish()
    }
    const onData = (chunk: Buffer) => {
      length += chunk.length
      if (length <= maxBytes) {
        chunks.push(chunk)
        return
      }
      source.pause()
      settle(() => reject(tooLarge(maxBytes)))
    }
    const onEnd = () =>
      settle(() => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length)))
    const onClose = () => settle(() => reject(new RuntimeError('cancelled', 'body: ended too early')))
    source.on('data', onData)
    source.on('end', onEnd)
    source.on('close', onClose)
    // Stays for good: a decoder may report again after it has been given up.
    source.on('error', (cause) =>
      settle(() => reject(new RuntimeError('invalid', 'body: can not be decoded', undefined, { cause }))),
    )
  })
}

function tooLarge(maxBytes: number): RuntimeError {
  return new RuntimeError('too_large', `body: is larger than ${maxBytes} bytes`, { max_bytes: maxBytes })
}
