import type { OpenAI } from 'openai'
import { z } from 'zod'
import { type FinishReason, type ModelMessage, textOf } from '#sdk/messages.ts'
import { endpoint } from './endpoint.ts'
import { type ProviderCall, parseUpstream, type UpstreamDelta } from './provider-call.ts'
import { callProvider, type StreamReader, sdkProvider } from './sdk-provider.ts'

/** Models that refuse `max_tokens` and want it under its newer name. */
const newerLimitName = /^(.*\/)?(o\d|gpt-5)/

/** What the SDK's reader looks at for whether it may write to the console. */
const quiet = { logLevel: 'off' } as OpenAI

async function* answer(read: StreamReader, call: ProviderCall): AsyncGenerator<UpstreamDelta> {
  const { settings } = call
  const target = endpoint(settings, settings.chat_path ?? '/v1/chat/completions')
  for await (const { whole, value } of callProvider(read, target, requestBody(call), call)) {
    yield* whole ? readWhole(parseUpstream(completion, value)) : readChunk(parseUpstream(chunk, value))
  }
}

async function loadReader(): Promise<StreamReader> {
  const { Stream } = await import('openai/streaming')
  return (response, aborted) => Stream.fromSSEResponse(response, aborted, quiet)
}

/** OpenAI's chat completions, which Ollama, vLLM, llama.cpp, OpenRouter and many others speak as well. */
export const openaiProvider = sdkProvider(loadReader, answer)

function requestBody({ model, request }: ProviderCall): Record<string, unknown> {
  const { tools, tool_choice: choice, max_tokens: maxTokens } = request
  return {
    model,
    messages: request.messages.filter(saysSomething).map(toMessage),
    temperature: request.temperature,
    top_p: request.top_p,
    stop: request.stop,
    seed: request.seed,
    response_format: request.response_format,
    [newerLimitName.test(model) ? 'max_completion_tokens' : 'max_tokens']: maxTokens,
    ...(tools.length > 0
      ? {
          tools: tools.map((tool) => ({ type: 'function', function: tool })),
          tool_choice: typeof choice === 'object' ? { type: 'function', function: choice } : choice,
          parallel_tool_calls: request.parallel_tool_calls,
        }
      : {}),
    ...(request.stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  }
}

/** Several servers refuse an assistant's message that is empty. */
function saysSomething({ role, content, tool_calls: calls }: ModelMessage): boolean {
  return role !== 'assistant' || content.length > 0 || (calls?.length ?? 0) > 0
}

function toMessage({ role, content, name, tool_calls: calls, tool_call_id: answers }: ModelMessage) {
  if (role === 'tool') return { role, tool_call_id: answers, content: textOf(content) }
  return {
    role,
    name,
    content:
      typeof content === 'string'
        ? content
        : content.map((part) =>
            part.type === 'text' ? part : { type: 'image_url', image_url: { url: part.url, detail: part.detail } },
          ),
    ...(calls?.length
      ? {
          tool_calls: calls.map(({ id, name: tool, arguments: args }) => ({
            id,
            type: 'function',
            function: { name: tool, arguments: args },
          })),
        }
      : {}),
  }
}

const content = z.union([z.string(), z.array(z.object({ text: z.string().optional() }))]).nullish()
const usage = z
  .object({ prompt_tokens: z.number().int().nullish(), completion_tokens: z.number().int().nullish() })
  .nullish()

const spoken = z.object({
  content,
  reasoning_content: z.string().nullish(),
  reasoning: z.string().nullish(),
  refusal: z.string().nullish(),
  tool_calls: z
    .array(
      z.object({
        index: z.number().int().nonnegative().nullish(),
        id: z.string().nullish(),
        function: z.object({ name: z.string().nullish(), arguments: z.string().nullish() }).nullish(),
      }),
    )
    .nullish(),
})

const completion = z.object({
  choices: z.array(z.object({ message: spoken, finish_reason: z.string().nullish() })).min(1),
  usage,
})

const chunk = z.object({
  choices: z.array(z.object({ delta: spoken.nullish(), finish_reason: z.string().nullish() })).nullish(),
  usage,
})

function* readWhole({ choices, usage: figures }: z.output<typeof completion>): Generator<UpstreamDelta> {
  for (const { message, finish_reason: reason } of choices.slice(0, 1)) {
    yield* readSpoken(message)
    yield { type: 'finish', reason: finishOf(reason ?? 'stop') }
  }
  yield* readUsage(figures)
}

function* readChunk({ choices, usage: figures }: z.output<typeof chunk>): Generator<UpstreamDelta> {
  for (const { delta, finish_reason: reason } of choices?.slice(0, 1) ?? []) {
    if (delta) yield* readSpoken(delta)
    if (reason) yield { type: 'finish', reason: finishOf(reason) }
  }
  yield* readUsage(figures)
}

function* readSpoken(said: z.output<typeof spoken>): Generator<UpstreamDelta> {
  const reasoning = said.reasoning_content ?? said.reasoning
  if (reasoning) yield { type: 'reasoning', delta: reasoning }
  const text = typeof said.content === 'string' ? said.content : said.content?.map((part) => part.text ?? '').join('')
  const delta = text || said.refusal
  if (delta) yield { type: 'text', delta }
  for (const [position, tool] of (said.tool_calls ?? []).entries()) {
    yield {
      type: 'tool_call',
      index: tool.index ?? position,
      arguments_delta: tool.function?.arguments ?? '',
      ...(tool.id ? { id: tool.id } : {}),
      ...(tool.function?.name ? { name: tool.function.name } : {}),
    }
  }
}

function* readUsage(figures: z.output<typeof usage>): Generator<UpstreamDelta> {
  if (!figures) return
  const { prompt_tokens: tokensIn, completion_tokens: tokensOut } = figures
  yield { type: 'usage', tokens_in: tokensIn ?? undefined, tokens_out: tokensOut ?? undefined }
}

function finishOf(reason: string): FinishReason {
  if (reason === 'length' || reason === 'content_filter') return reason
  return reason === 'tool_calls' || reason === 'function_call' ? 'tool_calls' : 'stop'
}
