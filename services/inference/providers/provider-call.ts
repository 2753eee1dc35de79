import type { z } from 'zod'
import type { FinishReason } from '#sdk/messages.ts'
import type { InferenceRequest, ProviderSettings } from '#sdk/services/inference.ts'
import { failureOfErrorObject, UpstreamFailure } from '../failure.ts'
import type { TransportWatch } from './transport.ts'

/** What a provider sends, the same for every protocol. Figures of usage are running totals. */
export type UpstreamDelta =
  | { type: 'text'; delta: string }
  | { type: 'reasoning'; delta: string }
  | { type: 'tool_call'; index: number; id?: string; name?: string; arguments_delta: string }
  | { type: 'usage'; tokens_in?: number; tokens_out?: number }
  | { type: 'finish'; reason: FinishReason }

export interface ProviderCall extends TransportWatch {
  settings: ProviderSettings
  /** Without the provider's prefix. */
  model: string
  request: InferenceRequest
}

export type Provider = (call: ProviderCall) => AsyncGenerator<UpstreamDelta>

/** Parses what a provider sent; what does not fit is an invalid answer. */
export function parseUpstream<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new UpstreamFailure('invalid_answer', `The answer is not of the protocol at ${issue?.path.join('.')}`)
}

/** Throws when the value is, or holds, the error object that some providers send with status 200. */
export function refuseErrorObject(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  const { error, object, type: kindOfValue }: Record<string, unknown> = { ...value }
  if (!error && object !== 'error' && kindOfValue !== 'error') return
  if (error && typeof error !== 'object') throw failureOfErrorObject('error', String(error))
  const { type, code, status, message }: Record<string, unknown> = { ...(error || value) }
  const kind = [type, code, status].filter((word) => typeof word === 'string').join(' ')
  throw failureOfErrorObject(kind, String(message ?? ''), typeof code === 'number' ? code : undefined)
}

/** The JSON object a model wrote as a tool's arguments; what is no object becomes an empty one. */
export function argumentsObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
  } catch {
    return {}
  }
}

/** `data:image/png;base64,…` in its parts; undefined for any other address. */
export function parseDataUrl(url: string): { mediaType: string; data: string } | undefined {
  const match = /^data:([\w.+-]+\/[\w.+-]+);base64,/.exec(url)
  return match?.[1] ? { mediaType: match[1], data: url.slice(match[0].length) } : undefined
}
