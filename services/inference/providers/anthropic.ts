import type { Anthropic } from '@anthropic-ai/sdk'
import { z } from 'zod'
import type { FinishReason } from '#sdk/messages.ts'
import { anthropicBody } from './anthropic-request.ts'
import { endpoint } from './endpoint.ts'
import { type ProviderCall, parseUpstream, type UpstreamDelta } from './provider-call.ts'
import { callProvider, type StreamReader, sdkProvider } from './sdk-provider.ts'

/** What the SDK's reader looks at for whether it may write to the console. */
const quiet = { logLevel: 'off' } as Anthropic

async function* answer(read: StreamReader, call: ProviderCall): AsyncGenerator<UpstreamDelta> {
  const target = endpoint(call.settings, call.settings.chat_path ?? '/v1/messages')
  for await (const { whole, value } of callProvider(read, target, anthropicBody(call), call)) {
    yield* whole ? readMessage(parseUpstream(message, value)) : readEvent(parseUpstream(streamEvent, value))
  }
}

async function loadReader(): Promise<StreamReader> {
  const { Stream } = await import('@anthropic-ai/sdk/streaming')
  return (response, aborted) => Stream.fromSSEResponse(response, aborted, quiet)
}

/** Anthropic's messages. */
export const anthropicProvider = sdkProvider(loadReader, answer)

const usage = z
  .object({
    input_tokens: z.number().int().nullish(),
    cache_creation_input_tokens: z.number().int().nullish(),
    cache_read_input_tokens: z.number().int().nullish(),
    output_tokens: z.number().int().nullish(),
  })
  .nullish()

/** Kinds of content that this reader does not know are passed over. */
const block = z.object({
  type: z.string(),
  text: z.string().optional(),
  thinking: z.string().optional(),
  id: z.string().optional(),
  name: z.string().optional(),
  input: z.unknown().optional(),
})

const message = z.object({ content: z.array(block), stop_reason: z.string().nullish(), usage })

const streamEvent = z.object({
  type: z.string(),
  index: z.number().int().nonnegative().default(0),
  message: z.object({ usage }).optional(),
  content_block: block.optional(),
  delta: z
    .object({
      text: z.string().optional(),
      thinking: z.string().optional(),
      partial_json: z.string().optional(),
      stop_reason: z.string().nullish(),
    })
    .optional(),
  usage,
})

function* readMessage(answer: z.output<typeof message>): Generator<UpstreamDelta> {
  for (const [index, part] of answer.content.entries()) {
    yield* readBlock(index, part)
    if (part.type === 'tool_use') {
      yield { type: 'tool_call', index, arguments_delta: JSON.stringify(part.input ?? {}) }
    }
  }
  yield* readUsage(answer.usage)
  yield { type: 'finish', reason: finishOf(answer.stop_reason ?? 'end_turn') }
}

function* readEvent(event: z.output<typeof streamEvent>): Generator<UpstreamDelta> {
  const { type, index, delta } = event
  if (type === 'message_start') yield* readUsage(event.message?.usage)
  if (type === 'content_block_start' && event.content_block) yield* readBlock(index, event.content_block)
  if (type === 'content_block_delta') {
    if (delta?.text) yield { type: 'text', delta: delta.text }
    if (delta?.thinking) yield { type: 'reasoning', delta: delta.thinking }
    if (delta?.partial_json) yield { type: 'tool_call', index, arguments_delta: delta.partial_json }
  }
  if (type === 'message_delta') {
    yield* readUsage(event.usage)
    if (delta?.stop_reason) yield { type: 'finish', reason: finishOf(delta.stop_reason) }
  }
}

function* readBlock(index: number, part: z.output<typeof block>): Generator<UpstreamDelta> {
  if (part.text) yield { type: 'text', delta: part.text }
  if (part.thinking) yield { type: 'reasoning', delta: part.thinking }
  if (part.type !== 'tool_use') return
  yield { type: 'tool_call', index, id: part.id ?? '', name: part.name ?? '', arguments_delta: '' }
}

function* readUsage(figures: z.output<typeof usage>): Generator<UpstreamDelta> {
  if (!figures) return
  const { input_tokens: fresh, cache_creation_input_tokens: written, cache_read_input_tokens: read } = figures
  const tokensIn = fresh == null ? undefined : fresh + (written ?? 0) + (read ?? 0)
  yield { type: 'usage', tokens_in: tokensIn, tokens_out: figures.output_tokens ?? undefined }
}

function finishOf(reason: string): FinishReason {
  if (reason === 'max_tokens' || reason === 'model_context_window_exceeded') return 'length'
  if (reason === 'tool_use') return 'tool_calls'
  return reason === 'refusal' ? 'content_filter' : 'stop'
}
