import { STATUS_CODES } from 'node:http'
import { cutOutput } from '#sdk/cut-output.ts'
import { guardedFetch } from '#sdk/egress/guarded-fetch.ts'
import { errorTable, toRuntimeError } from '#sdk/errors.ts'
import { type HttpCall, payloadBounds } from '#sdk/services/cron-payload.ts'
import type { RunOutcome } from '#sdk/services/scheduler.ts'

/** Shorter values are words that an error may need. */
const shortestSecret = 8

export interface HttpCallOptions {
  /** The same in each attempt, so that who is called can tell that it is the same run. */
  idempotencyKey: string
  timeoutMs: number
  signal: AbortSignal
  /** Hosts that may be private. */
  allowedHosts: readonly string[]
}

const withoutBody = new Set(['GET', 'HEAD'])
/** Statuses below 500 that pass: the request took too long, came too early, or too often. */
const passingStatuses = new Set([408, 425, 429])
const firstServerFailure = 500

/** Any answer of 2xx is a success. It throws only `cancelled`. */
export async function callHttp(call: HttpCall, options: HttpCallOptions): Promise<RunOutcome> {
  if (call.body !== undefined && withoutBody.has(call.method)) return failure(`a ${call.method} can have no body`)
  try {
    const { status, body } = await guardedFetch(call.url, {
      method: call.method,
      headers: headersOf(call, options.idempotencyKey),
      body: textOf(call.body),
      signal: options.signal,
      timeoutMs: options.timeoutMs,
      maxBytes: payloadBounds.outputBytes,
      allowedHosts: options.allowedHosts,
    })
    const line = `HTTP ${status} ${STATUS_CODES[status] ?? ''}`.trimEnd()
    const output = cutOutput(`${line}\n\n${body.toString('utf8')}`.trimEnd(), payloadBounds.outputBytes)
    if (status >= 200 && status < 300) return { status: 'success', output, error: null, retryable: false }
    return { ...failure(line, passingStatuses.has(status) || status >= firstServerFailure), output }
  } catch (thrown) {
    if (options.signal.aborted) throw thrown
    const { kind, message } = toRuntimeError(thrown)
    return failure(withoutValues(message, call.headers), errorTable[kind].retry)
  }
}

function failure(error: string, retryable = false): RunOutcome {
  return { status: 'error', output: '', error, retryable }
}

function headersOf({ headers, body }: HttpCall, idempotencyKey: string): Record<string, string> {
  const given = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
  return {
    ...(body !== undefined && { 'content-type': typeof body === 'string' ? 'text/plain' : 'application/json' }),
    ...Object.fromEntries(given),
    'idempotency-key': idempotencyKey,
  }
}

function textOf(body: HttpCall['body']): string | undefined {
  return typeof body === 'string' || body === undefined ? body : JSON.stringify(body)
}

/** What the connection's code says of a header it dislikes may quote the header. */
function withoutValues(message: string, headers: Record<string, string>): string {
  let told = message
  for (const value of Object.values(headers)) {
    if (value.length >= shortestSecret) told = told.replaceAll(value, '***')
  }
  return told
}
