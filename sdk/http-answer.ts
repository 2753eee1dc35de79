import { createParser, type ParseError } from 'eventsource-parser'
import type { z } from 'zod'
import { type ErrorDetails, type ErrorKind, errorTable, RuntimeError } from './errors.ts'

/** The most characters of one event of a stream. */
const maxEventLength = 4 * 1024 * 1024
const streamEnd = '[DONE]'

const kindByStatus = new Map<number, ErrorKind>()
for (const [kind, { status }] of Object.entries(errorTable)) {
  if (!kindByStatus.has(status)) kindByStatus.set(status, kind as ErrorKind)
}

function kindOfStatus(status: number): ErrorKind {
  return kindByStatus.get(status) ?? (status < 500 ? 'invalid' : 'internal')
}

/** The error that an answer of 400 and above stands for: its kind by the status, its text as the server wrote it. */
export async function errorOfAnswer(response: Response): Promise<RuntimeError> {
  const body = parseJson(await response.text())
  const { error: _, ok: __, ...rest } = isObject(body) ? body : {}
  const details: ErrorDetails = rest
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  if (Number.isFinite(seconds)) details.retry_after_seconds = seconds
  return new RuntimeError(kindOfStatus(response.status), errorText(body), details)
}

/** What all error bodies have: `error` as a text, or as an object with a `message`. */
function errorText(body: unknown): string | undefined {
  if (!isObject(body)) return undefined
  const { error } = body
  if (typeof error === 'string') return error
  return isObject(error) && typeof error.message === 'string' ? error.message : undefined
}

/** The answer's JSON, as its schema gives it. */
export async function readJson<S extends z.ZodType>(response: Response, schema: S): Promise<z.output<S>> {
  const value = parseJson(await response.text())
  if (value === undefined) throw new RuntimeError('upstream_failed', 'The answer is not JSON')
  return parseWith(schema, value, 'The answer')
}

/** The `data:` values of a stream, until `[DONE]` or its end. An error body inside it is thrown. */
export async function* readEvents<S extends z.ZodType>(response: Response, schema: S): AsyncGenerator<z.output<S>> {
  for await (const data of dataTexts(response)) {
    if (data === streamEnd) return
    const value = parseJson(data)
    const parsed = schema.safeParse(value)
    if (!parsed.success) {
      const text = errorText(value)
      if (text !== undefined) throw new RuntimeError('upstream_failed', text)
    }
    yield parsed.success ? parsed.data : parseWith(schema, value, 'An event of the stream')
  }
}

async function* dataTexts(response: Response): AsyncGenerator<string> {
  const ready: string[] = []
  let failure: ParseError | undefined
  const parser = createParser({
    maxBufferSize: maxEventLength,
    onEvent: ({ data }) => ready.push(data),
    onError: (error) => {
      // Fields that the format does not know are skipped, as browsers do.
      if (error.type === 'max-buffer-size-exceeded') failure = error
    },
  })
  const decoder = new TextDecoder()
  for await (const bytes of response.body ?? []) {
    parser.feed(decoder.decode(bytes, { stream: true }))
    yield* ready.splice(0)
    if (failure)
      throw new RuntimeError('too_large', 'An event of the stream is too large', undefined, { cause: failure })
  }
}

function parseWith<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const field = issue?.path.join('.') || 'it'
  throw new RuntimeError('upstream_failed', `${what} is not what the contract says: ${field}: ${issue?.message}`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
