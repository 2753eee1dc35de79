import { hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { payerOf } from '#kernel/budgets/payer.ts'
import type { Context } from '#kernel/context.ts'
import type { Caller } from '#kernel/http/gate.ts'
import { newId } from '#sdk/ids.ts'
import type { InferenceChunk } from '#sdk/services/inference.ts'
import { doorError } from './door-error.ts'
import type { Answer, AnswerStream, DoorCall, Question } from './question.ts'

/** Answers to hotter requests are meant to differ from one to the next. */
const maxCachedTemperature = 0.3

/** One completion straight from a model: no agent, no session, nothing stored on the way. */
export async function askModel(
  question: Question,
  model: string,
  { caller, headers, signal, stream }: DoorCall,
  { inference, config }: Pick<Context, 'inference' | 'config'>,
): Promise<Answer> {
  const relay = stream && relayTo(stream)
  try {
    const result = await inference.complete(
      {
        ...question,
        model,
        request_id: newId(),
        purpose: 'proxy',
        account: payerOf(caller),
        stream: stream !== undefined,
        fallback: headers['x-keel-fallback'] !== 'off',
        cache_scope: mayBeCached(question, headers) && config.current().cache.enabled ? scopeOf(caller) : null,
      },
      { signal, ...(relay && { onChunk: relay.onChunk }) },
    )
    await relay?.finish(result)
    return result
  } catch (thrown) {
    throw doorError(thrown)
  }
}

/**
 * Only who asks for steadiness gets the same answer twice: without a temperature a model's default is a warm one, and a
 * client that asks again wants another try. A request with tools belongs to work under way, where time has passed.
 */
function mayBeCached({ temperature, tools }: Question, headers: IncomingHttpHeaders): boolean {
  if (temperature === undefined || temperature > maxCachedTemperature || tools?.length) return false
  return !/\bno-(cache|store)\b/i.test(headers['cache-control'] ?? '')
}

/** One caller's answers are not another's. */
function scopeOf({ actor = '' }: Caller): string {
  return `proxy/${hash('sha256', actor).slice(0, 16)}`
}

function relayTo(stream: AnswerStream) {
  let model = ''
  let hasBegun = false

  return {
    async onChunk(chunk: InferenceChunk): Promise<void> {
      if (chunk.type === 'selected') {
        model = chunk.selection.selected_model
        return
      }
      if (chunk.type === 'shifted') {
        model = chunk.model
        return
      }
      if (!hasBegun) {
        hasBegun = true
        await stream.begin(model)
      }
      if (chunk.type === 'text') return stream.text(chunk.delta)
      if (chunk.type === 'tool_call') return stream.toolCall(chunk)
    },
    /** An answer of which nothing came in pieces is sent as one. */
    async finish(answer: Answer): Promise<void> {
      if (hasBegun) return
      await stream.begin(answer.model)
      if (answer.text !== '') await stream.text(answer.text)
      for (const [index, { id, name, arguments: text }] of answer.tool_calls.entries()) {
        await stream.toolCall({ index, id, name, arguments_delta: text })
      }
    },
  }
}
