import type { z } from 'zod'
import type { answered, Reply } from '#kernel/http/reply.ts'
import type { anthropicMessage } from '#sdk/contracts/anthropic.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { newId } from '#sdk/ids.ts'
import type { ToolCall } from '#sdk/messages.ts'
import type { Answer, AnswerStream, ToolCallPiece } from './question.ts'

type AnthropicMessage = z.input<typeof anthropicMessage>

const stopReasons = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  content_filter: 'refusal',
} as const satisfies Record<Answer['finish_reason'], AnthropicMessage['stop_reason']>

/** A whole answer as Anthropic's message. */
export function anthropicAnswer({ model, text, tool_calls, finish_reason, usage }: Answer): AnthropicMessage {
  return {
    ...emptyMessage(model),
    content: [...(text === '' ? [] : [{ type: 'text', text, citations: null }]), ...tool_calls.map(toolUse)],
    stop_reason: stopReasons[finish_reason],
    usage: anthropicUsage(usage),
  }
}

function emptyMessage(model: string): AnthropicMessage {
  return {
    id: `msg_${newId().replaceAll('-', '')}`,
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: anthropicUsage({ tokens_in: 0, tokens_out: 0 }),
  }
}

function anthropicUsage({ tokens_in, tokens_out }: Pick<Answer['usage'], 'tokens_in' | 'tokens_out'>) {
  return {
    input_tokens: tokens_in,
    output_tokens: tokens_out,
    cache_creation_input_tokens: null,
    cache_read_input_tokens: null,
  }
}

/** Their clients get the input as an object, so what the model wrote must be one. */
function toolUse({ id, name, arguments: text }: ToolCall) {
  return { type: 'tool_use', id, name, input: parseInput(name, text) }
}

function parseInput(name: string, text: string): Record<string, unknown> {
  let input: unknown
  try {
    input = JSON.parse(text || '{}')
  } catch (cause) {
    throw unusableInput(name, cause)
  }
  if (typeof input !== 'object' || input === null || Array.isArray(input)) throw unusableInput(name)
  return { ...input }
}

function unusableInput(name: string, cause?: unknown): RuntimeError {
  return new RuntimeError('upstream_failed', `The model called ${name} with what is no JSON object`, undefined, {
    cause,
  })
}

/** An answer as Anthropic's named events: blocks of text and tool calls, each begun, filled and ended. */
export class AnthropicStream implements AnswerStream {
  readonly #reply: Reply
  readonly #signal: AbortSignal
  /** Places of the blocks by tool call. */
  readonly #callBlocks = new Map<number, number>()
  #blocks = 0
  #open: { place: number; type: 'text' | 'tool_use' } | undefined

  constructor(reply: Reply, signal: AbortSignal) {
    this.#reply = reply
    this.#signal = signal
  }

  begin(model: string): Promise<void> {
    return this.#send('message_start', { message: emptyMessage(model) })
  }

  async text(text: string): Promise<void> {
    if (text === '') return
    if (this.#open?.type !== 'text') await this.#begin('text', { text: '' })
    await this.#delta(this.#open?.place, { type: 'text_delta', text })
  }

  async toolCall({ index, id, name, arguments_delta }: ToolCallPiece): Promise<void> {
    let place = this.#callBlocks.get(index)
    if (place === undefined) {
      place = await this.#begin('tool_use', { id: id || `call_${index + 1}`, name: name ?? '', input: {} })
      this.#callBlocks.set(index, place)
    }
    if (arguments_delta !== '') await this.#delta(place, { type: 'input_json_delta', partial_json: arguments_delta })
  }

  async end({ finish_reason, usage }: Answer): Promise<typeof answered> {
    await this.#endBlock()
    const delta = { stop_reason: stopReasons[finish_reason], stop_sequence: null }
    await this.#send('message_delta', { delta, usage: anthropicUsage(usage) })
    await this.#send('message_stop', {})
    return this.#reply.sse().end()
  }

  async #begin(type: 'text' | 'tool_use', block: object): Promise<number> {
    await this.#endBlock()
    const place = this.#blocks++
    this.#open = { place, type }
    await this.#send('content_block_start', { index: place, content_block: { type, ...block } })
    return place
  }

  async #endBlock(): Promise<void> {
    if (!this.#open) return
    const { place } = this.#open
    this.#open = undefined
    await this.#send('content_block_stop', { index: place })
  }

  #delta(index: number | undefined, delta: object): Promise<void> {
    return this.#send('content_block_delta', { index, delta })
  }

  /** The stream is made with the first event: what fails before it is still answered with a status. */
  #send(type: string, fields: object): Promise<void> {
    return this.#reply.sse({ signal: this.#signal }).event(type, { type, ...fields })
  }
}
