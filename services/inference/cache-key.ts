import { createHash } from 'node:crypto'
import { textOf } from '#sdk/messages.ts'
import type { InferenceRequest } from '#sdk/services/inference.ts'

/** Limits within which an answer to a similar question may stand in. */
const maxSemanticMessages = 4
const maxSemanticTemperature = 0.3

/**
 * Two digests in one text: first of what must be the same even for a similar question (scope, model, system texts,
 * parameters), then of the whole question.
 */
export function cacheKey(scope: string | null, request: InferenceRequest): string {
  const { model, messages, tools, tool_choice, parallel_tool_calls, fallback, max_cost } = request
  const { max_tokens, temperature, top_p, stop, seed, response_format } = request
  const frame = [scope, model, tools, tool_choice, parallel_tool_calls, fallback, max_cost]
  const parameters = [max_tokens, temperature, top_p, stop, seed, response_format]
  const system = messages.filter(({ role }) => role === 'system')
  const setting = digest([frame, parameters, system])
  return setting + digest([setting, messages])
}

export function sameSetting(left: string, right: string): boolean {
  return left.slice(0, left.length / 2) === right.slice(0, right.length / 2)
}

/** The text whose likeness counts; undefined when only the very same question may be answered from the cache. */
export function semanticText({ messages, tools, temperature }: InferenceRequest): string | undefined {
  if (messages.length > maxSemanticMessages || tools.length > 0) return undefined
  if (temperature === undefined || temperature > maxSemanticTemperature) return undefined
  if (messages.some(({ content }) => typeof content !== 'string')) return undefined
  return messages
    .filter(({ role }) => role !== 'system')
    .map(({ role, content }) => `${role}: ${textOf(content)}`)
    .join('\n')
}

function digest(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex')
}

/** JSON with the keys of every object in order, so that the same content gives the same text. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  )
}
