import { isJSONRPCRequest, isJSONRPCResponse, type JSONRPCRequest, type JSONRPCResponse } from 'json-rpc-2.0'
import { type ErrorDetails, kindOfCode, RuntimeError } from '../errors.ts'

/** JSON-RPC 2.0 request with what it lacks: how long the caller waits, how many chunks it can take, and whose trace it is of. */
export type Request = JSONRPCRequest & {
  timeout_ms?: unknown
  credit?: unknown
  traceparent?: unknown
  tracestate?: unknown
}

/** What a notice carries: named values that its listener has yet to check. */
export type NoticeParams = Record<string, unknown>

export type Message =
  | { kind: 'request'; request: Request }
  | { kind: 'notice'; method: string; params: NoticeParams }
  | { kind: 'response'; response: JSONRPCResponse }

/** Reads one frame; `undefined` when it is not a message of JSON-RPC 2.0. Nothing in it is trusted beyond its shape. */
export function parseMessage(frame: string): Message | undefined {
  let value: unknown
  try {
    value = JSON.parse(frame)
  } catch {
    return undefined
  }
  if (!isRecord(value)) return undefined
  if (isJSONRPCRequest(value) && typeof value.method === 'string') {
    const { id, method, params } = value
    if (id === undefined) return { kind: 'notice', method, params: isRecord(params) ? params : {} }
    return isId(id) ? { kind: 'request', request: value } : undefined
  }
  return isJSONRPCResponse(value) && isId(value.id) ? { kind: 'response', response: value } : undefined
}

/** The callee's error as one of ours; its parts come from the other side of the wall and are checked here. */
export function responseError({
  code,
  message,
  data,
}: {
  code: unknown
  message: unknown
  data?: unknown
}): RuntimeError {
  const kind = typeof code === 'number' ? kindOfCode(code) : 'internal'
  return new RuntimeError(
    kind,
    typeof message === 'string' ? message : undefined,
    isRecord(data) ? (data as ErrorDetails) : undefined,
  )
}

function isId(value: unknown): value is number | string {
  return typeof value === 'number' || typeof value === 'string'
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
