import type { z } from 'zod'
import type { answered, Reply } from '#kernel/http/reply.ts'
import type { responsesAnswer } from '#sdk/contracts/openai-responses.ts'
import { newId } from '#sdk/ids.ts'
import type { ToolCall } from '#sdk/messages.ts'
import { unixSeconds } from './chat-answer.ts'
import type { Answer, AnswerStream, ToolCallPiece } from './question.ts'
import type { ResponsesRequest } from './response-question.ts'

type ResponsesAnswer = z.input<typeof responsesAnswer>
type ItemStatus = 'in_progress' | 'completed' | 'incomplete'

/** A whole answer as a response: one message, then the function calls. */
export function responseAnswer(request: ResponsesRequest, answer: Answer): ResponsesAnswer {
  const status = statusOf(answer)
  return {
    ...beginning(request, answer.model),
    ...ending(answer),
    output: [
      ...(answer.text === '' ? [] : [messageItem(itemId('msg'), answer.text, status)]),
      ...answer.tool_calls.map((call) => callItem(itemId('fc'), call, status)),
    ],
  }
}

function beginning(request: ResponsesRequest, model: string): ResponsesAnswer {
  return {
    id: itemId('resp'),
    object: 'response',
    created_at: unixSeconds(),
    status: 'in_progress',
    error: null,
    incomplete_details: null,
    model,
    output: [],
    usage: null,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    metadata: request.metadata ?? {},
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    previous_response_id: null,
    store: false,
    temperature: request.temperature ?? null,
    text: request.text ?? { format: { type: 'text' } },
    tool_choice: request.tool_choice ?? 'auto',
    tools: request.tools ?? [],
    top_p: request.top_p ?? null,
    truncation: 'disabled',
  }
}

function statusOf({ finish_reason }: Answer): 'completed' | 'incomplete' {
  return finish_reason === 'length' || finish_reason === 'content_filter' ? 'incomplete' : 'completed'
}

function ending(answer: Answer) {
  const { tokens_in, tokens_out } = answer.usage
  const status = statusOf(answer)
  const reason = answer.finish_reason === 'length' ? 'max_output_tokens' : 'content_filter'
  return {
    status,
    model: answer.model,
    incomplete_details: status === 'incomplete' ? { reason } : null,
    usage: {
      input_tokens: tokens_in,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: tokens_out,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: tokens_in + tokens_out,
    },
  }
}

function itemId(prefix: string): string {
  return `${prefix}_${newId().replaceAll('-', '')}`
}

function textPart(text: string) {
  return { type: 'output_text', text, annotations: [], logprobs: [] }
}

function messageItem(id: string, text: string | undefined, status: ItemStatus) {
  return { type: 'message', id, status, role: 'assistant', content: text === undefined ? [] : [textPart(text)] }
}

function callItem(id: string, call: ToolCall, status: ItemStatus) {
  return { type: 'function_call', id, call_id: call.id, name: call.name, arguments: call.arguments, status }
}

interface OpenItem {
  id: string
  output_index: number
}

/** An answer as the Responses API's named and numbered events: each item added, filled and done. */
export class ResponseStream implements AnswerStream {
  readonly #reply: Reply
  readonly #signal: AbortSignal
  readonly #request: ResponsesRequest
  readonly #output: ResponsesAnswer['output'] = []
  readonly #calls = new Map<number, OpenItem & { call: ToolCall }>()
  #response: ResponsesAnswer | undefined
  #message: (OpenItem & { text: string }) | undefined
  #sequence = 0

  constructor(reply: Reply, signal: AbortSignal, request: ResponsesRequest) {
    this.#reply = reply
    this.#signal = signal
    this.#request = request
  }

  async begin(model: string): Promise<void> {
    const response = beginning(this.#request, model)
    this.#response = response
    await this.#send('response.created', { response })
    await this.#send('response.in_progress', { response })
  }

  async text(delta: string): Promise<void> {
    if (delta === '') return
    this.#message ??= await this.#addMessage()
    this.#message.text += delta
    const { id, output_index } = this.#message
    await this.#send('response.output_text.delta', { item_id: id, output_index, content_index: 0, delta, logprobs: [] })
  }

  async toolCall({ index, id, name, arguments_delta }: ToolCallPiece): Promise<void> {
    let open = this.#calls.get(index)
    if (!open) {
      await this.#endMessage('completed')
      const call = { id: id || `call_${index + 1}`, name: name ?? '', arguments: '' }
      open = { id: itemId('fc'), output_index: this.#output.length, call }
      this.#calls.set(index, open)
      await this.#add(callItem(open.id, call, 'in_progress'))
    }
    open.call.arguments += arguments_delta
    if (arguments_delta === '') return
    const place = { item_id: open.id, output_index: open.output_index }
    await this.#send('response.function_call_arguments.delta', { ...place, delta: arguments_delta })
  }

  async end(answer: Answer): Promise<typeof answered> {
    const status = statusOf(answer)
    await this.#endMessage(status)
    for (const { id, output_index, call } of this.#calls.values()) {
      const whole = { ...call, arguments: call.arguments || '{}' }
      const place = { item_id: id, output_index }
      await this.#send('response.function_call_arguments.done', {
        ...place,
        name: call.name,
        arguments: whole.arguments,
      })
      await this.#done(output_index, callItem(id, whole, status))
    }
    const response = { ...this.#response, ...ending(answer), output: this.#output }
    await this.#send(`response.${status}`, { response })
    return this.#reply.sse().end()
  }

  async #addMessage() {
    const open = { id: itemId('msg'), output_index: this.#output.length, text: '' }
    await this.#add(messageItem(open.id, undefined, 'in_progress'))
    const place = { item_id: open.id, output_index: open.output_index, content_index: 0 }
    await this.#send('response.content_part.added', { ...place, part: textPart('') })
    return open
  }

  async #endMessage(status: ItemStatus): Promise<void> {
    if (!this.#message) return
    const { id, output_index, text } = this.#message
    this.#message = undefined
    const place = { item_id: id, output_index, content_index: 0 }
    await this.#send('response.output_text.done', { ...place, text, logprobs: [] })
    await this.#send('response.content_part.done', { ...place, part: textPart(text) })
    await this.#done(output_index, messageItem(id, text, status))
  }

  #add(item: ResponsesAnswer['output'][number]): Promise<void> {
    const output_index = this.#output.push(item) - 1
    return this.#send('response.output_item.added', { output_index, item })
  }

  #done(output_index: number, item: ResponsesAnswer['output'][number]): Promise<void> {
    this.#output[output_index] = item
    return this.#send('response.output_item.done', { output_index, item })
  }

  /** The stream is made with the first event: what fails before it is still answered with a status. */
  #send(type: string, fields: object): Promise<void> {
    const event = { type, sequence_number: this.#sequence++, ...fields }
    return this.#reply.sse({ signal: this.#signal }).event(type, event)
  }
}
