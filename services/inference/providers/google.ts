import { z } from 'zod'
import type { FinishReason } from '#sdk/messages.ts'
import { UpstreamFailure } from '../failure.ts'
import { endpoint } from './endpoint.ts'
import { googleBody } from './google-request.ts'
import {
  type Provider,
  type ProviderCall,
  parseUpstream,
  refuseErrorObject,
  type UpstreamDelta,
} from './provider-call.ts'
import { loadTransport, parseJson, postJson, readEvents } from './transport.ts'

/** Google's generateContent. */
export async function googleProvider(): Promise<Provider> {
  await loadTransport()
  return answer
}

async function* answer(call: ProviderCall): AsyncGenerator<UpstreamDelta> {
  const verb = call.request.stream ? 'streamGenerateContent' : 'generateContent'
  const path = call.settings.chat_path ?? `/v1beta/models/${encodeURIComponent(call.model)}:${verb}`
  const { url: address, headers } = endpoint(call.settings, path)
  const url = new URL(address)
  if (call.request.stream) url.searchParams.set('alt', 'sse')
  const response = await postJson({ url, headers }, googleBody(call), call)
  const reader = answerReader()
  if (!response.streams) {
    yield* reader(await response.body.json())
    return
  }
  for await (const { data } of readEvents(response.body)) yield* reader(parseJson(data))
}

const generated = z.object({
  candidates: z
    .array(
      z.object({
        content: z
          .object({
            parts: z
              .array(
                z.object({
                  text: z.string().optional(),
                  thought: z.boolean().optional(),
                  functionCall: z
                    .object({
                      id: z.string().optional(),
                      name: z.string(),
                      args: z.record(z.string(), z.unknown()).optional(),
                    })
                    .optional(),
                }),
              )
              .default([]),
          })
          .optional(),
        finishReason: z.string().optional(),
      }),
    )
    .default([]),
  promptFeedback: z.object({ blockReason: z.string().optional() }).optional(),
  usageMetadata: z
    .object({
      promptTokenCount: z.number().int().optional(),
      candidatesTokenCount: z.number().int().optional(),
      thoughtsTokenCount: z.number().int().optional(),
    })
    .optional(),
})

/** Calls come whole and without an index, so they are counted over the whole answer. */
function answerReader() {
  let calls = 0

  return function* (raw: unknown): Generator<UpstreamDelta> {
    refuseErrorObject(raw)
    const { candidates, promptFeedback, usageMetadata } = parseUpstream(generated, raw)
    for (const { content, finishReason } of candidates.slice(0, 1)) {
      for (const { text, thought, functionCall } of content?.parts ?? []) {
        if (text) yield { type: thought ? 'reasoning' : 'text', delta: text }
        if (!functionCall) continue
        const { id, name, args } = functionCall
        yield {
          type: 'tool_call',
          index: calls++,
          ...(id ? { id } : {}),
          name,
          arguments_delta: JSON.stringify(args ?? {}),
        }
      }
      if (finishReason) yield { type: 'finish', reason: finishOf(finishReason) }
    }
    if (promptFeedback?.blockReason) yield { type: 'finish', reason: 'content_filter' }
    if (usageMetadata) {
      const { promptTokenCount, candidatesTokenCount, thoughtsTokenCount } = usageMetadata
      const spoken = candidatesTokenCount === undefined ? undefined : candidatesTokenCount + (thoughtsTokenCount ?? 0)
      yield { type: 'usage', tokens_in: promptTokenCount, tokens_out: spoken }
    }
  }
}

const refusals = new Set(['SAFETY', 'RECITATION', 'BLOCKLIST', 'PROHIBITED_CONTENT', 'SPII', 'IMAGE_SAFETY'])

function finishOf(reason: string): FinishReason {
  if (reason === 'MAX_TOKENS') return 'length'
  if (refusals.has(reason)) return 'content_filter'
  if (reason === 'MALFORMED_FUNCTION_CALL') throw new UpstreamFailure('invalid_answer', reason)
  return 'stop'
}
