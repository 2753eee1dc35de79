import type { answered, Reply } from '#kernel/http/reply.ts'
import type { ChatChunk, ChatCompletion } from '#sdk/contracts/openai-chat.ts'
import { newId } from '#sdk/ids.ts'
import type { ToolCall } from '#sdk/messages.ts'
import type { Answer, AnswerStream, ToolCallPiece } from './question.ts'

const endOfStream = '[DONE]'

/** A whole answer as OpenAI's chat completion. */
export function chatCompletion({ model, text, tool_calls, finish_reason, usage }: Answer): ChatCompletion {
  const calls = tool_calls.length > 0 ? { tool_calls: tool_calls.map(chatToolCall) } : {}
  const content = text === '' && tool_calls.length > 0 ? null : text
  return {
    id: completionId(),
    object: 'chat.completion',
    created: unixSeconds(),
    model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, refusal: null, ...calls },
        finish_reason,
        logprobs: null,
      },
    ],
    usage: chatUsage(usage),
    system_fingerprint: null,
  }
}

function chatToolCall({ id, name, arguments: text }: ToolCall) {
  return { id, type: 'function' as const, function: { name, arguments: text } }
}

function chatUsage({ tokens_in, tokens_out }: Answer['usage']) {
  return { prompt_tokens: tokens_in, completion_tokens: tokens_out, total_tokens: tokens_in + tokens_out }
}

function completionId(): string {
  return `chatcmpl-${newId().replaceAll('-', '')}`
}

export function unixSeconds(atMs: number = Date.now()): number {
  return Math.floor(atMs / 1000)
}

type Delta = ChatChunk['choices'][number]['delta']

/** An answer as a stream of chunks: the role, what is said, the finish reason, the usage where it is wanted, `[DONE]`. */
export class ChatStream implements AnswerStream {
  readonly #reply: Reply
  readonly #signal: AbortSignal
  readonly #withUsage: boolean
  readonly #id = completionId()
  readonly #created = unixSeconds()
  readonly #begunCalls = new Set<number>()
  #model = ''

  constructor(reply: Reply, signal: AbortSignal, { include_usage }: { include_usage: boolean }) {
    this.#reply = reply
    this.#signal = signal
    this.#withUsage = include_usage
  }

  begin(model: string): Promise<void> {
    this.#model = model
    return this.#send({ role: 'assistant', content: '' })
  }

  text(content: string): Promise<void> {
    return this.#send({ content })
  }

  toolCall({ index, id, name, arguments_delta }: ToolCallPiece): Promise<void> {
    if (this.#begunCalls.has(index)) {
      return this.#send({ tool_calls: [{ index, function: { arguments: arguments_delta } }] })
    }
    this.#begunCalls.add(index)
    const called = { name: name ?? '', arguments: arguments_delta }
    return this.#send({ tool_calls: [{ index, id: id || `call_${index + 1}`, type: 'function', function: called }] })
  }

  async end({ model, finish_reason, usage }: Answer): Promise<typeof answered> {
    this.#model = model
    await this.#send({}, finish_reason)
    if (this.#withUsage) await this.#stream.send({ ...this.#chunk([]), usage: chatUsage(usage) })
    await this.#stream.send(endOfStream)
    return this.#stream.end()
  }

  /** Made with the first chunk: what fails before it is still answered with a status. */
  get #stream() {
    return this.#reply.sse({ signal: this.#signal })
  }

  #send(delta: Delta, finish_reason: ChatChunk['choices'][number]['finish_reason'] = null): Promise<void> {
    const chunk = this.#chunk([{ index: 0, delta, finish_reason, logprobs: null }])
    return this.#stream.send(this.#withUsage ? { ...chunk, usage: null } : chunk)
  }

  #chunk(choices: ChatChunk['choices']): ChatChunk {
    return {
      id: this.#id,
      object: 'chat.completion.chunk',
      created: this.#created,
      model: this.#model,
      choices,
      system_fingerprint: null,
    }
  }
}
