import type { InferenceRequest, ProviderSettings } from '#sdk/services/inference.ts'

/*
 * Bounds that hold whatever a provider's tokenizer is: no token is shorter than a byte of UTF-8.
 */

/** What surrounds a request and each of its messages, calls and tools, in tokens: roles, marks and separators. */
const tokensPerRequest = 64
const tokensPerPart = 32
/** What a provider tells its model of its own about how tools are called, in tokens. */
const tokensOfToolUse = 1_024
/** The most that any model in service makes of one picture, in tokens: the small ones of OpenAI count by far the most. */
const tokensPerImage = { openai: 50_000, ollama: 10_000, google: 10_000, anthropic: 6_000, offline: 0 } as const

/** More tokens than a request can come to before its answer. */
export function mostInputTokens(request: InferenceRequest, format: ProviderSettings['format']): number {
  const { messages, tools, response_format } = request
  let tokens = tokensPerRequest
  for (const { content, name = '', tool_calls: calls = [], tool_call_id: answers = '' } of messages) {
    tokens += tokensPerPart + bytesOf(name) + bytesOf(answers)
    for (const part of typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content) {
      tokens += part.type === 'text' ? bytesOf(part.text) + 1 : tokensPerImage[format]
    }
    for (const call of calls) tokens += tokensPerPart + bytesOf(call.id) + bytesOf(call.name) + bytesOf(call.arguments)
  }
  if (tools.length > 0) tokens += tokensOfToolUse + bytesOf(JSON.stringify(tools)) + tools.length * tokensPerPart
  if (response_format) tokens += bytesOf(JSON.stringify(response_format))
  return tokens
}

/** The same for texts that are to become vectors. */
export function mostTextTokens(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + bytesOf(text) + tokensPerPart, tokensPerRequest)
}

function bytesOf(text: string): number {
  return Buffer.byteLength(text)
}
