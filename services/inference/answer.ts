import { estimateTokens, type FinishReason, type TokenUsage, type ToolCall, textOf } from '#sdk/messages.ts'
import type { InferenceChunk, InferenceRequest } from '#sdk/services/inference.ts'
import { UpstreamFailure } from './failure.ts'
import type { UpstreamDelta } from './providers/provider-call.ts'

/** The longest text, reasoning or set of tool arguments of one answer, in characters. */
const maxTextChars = 8 * 1024 * 1024
const maxToolCalls = 128
/** What a picture counts for where the provider does not say, in tokens. */
const tokensPerImage = 1_000

export interface Answer {
  text: string
  reasoning: string | null
  tool_calls: ToolCall[]
  finish_reason: FinishReason
  usage: TokenUsage
}

/** Puts an answer together from its deltas. */
export function answerCollector(request: InferenceRequest) {
  let text = ''
  let reasoning = ''
  let chars = 0
  let finish: FinishReason | undefined
  let tokensIn: number | undefined
  let tokensOut: number | undefined
  const calls: ToolCall[] = []
  const places = new Map<number, number>()

  function bound(more: number) {
    chars += more
    if (chars > maxTextChars) throw new UpstreamFailure('too_large', `The answer is over ${maxTextChars} characters`)
  }

  /** Some servers number every call 0 and tell them apart by id alone. */
  function placeOf(index: number, id: string | undefined): number {
    const place = places.get(index)
    const current = place === undefined ? undefined : calls[place]
    if (place !== undefined && (!id || !current?.id || current.id === id)) return place
    if (calls.length >= maxToolCalls) throw new UpstreamFailure('too_large', `Over ${maxToolCalls} tool calls`)
    places.set(index, calls.push({ id: '', name: '', arguments: '' }) - 1)
    return calls.length - 1
  }

  function usage(isWhole: boolean): TokenUsage {
    const counted = isWhole && tokensIn !== undefined && tokensOut !== undefined
    const written = estimateTokens(text + reasoning + calls.map((call) => call.name + call.arguments).join(''))
    return {
      tokens_in: tokensIn ?? estimateInputTokens(request),
      tokens_out: isWhole && tokensOut !== undefined ? tokensOut : Math.max(tokensOut ?? 0, written),
      estimated: !counted,
    }
  }

  return {
    /** Takes one delta and says what of it the caller is to see. */
    add(delta: UpstreamDelta): InferenceChunk | undefined {
      switch (delta.type) {
        case 'text':
          bound(delta.delta.length)
          text += delta.delta
          return delta
        case 'reasoning':
          bound(delta.delta.length)
          reasoning += delta.delta
          return delta
        case 'tool_call': {
          bound(delta.arguments_delta.length)
          const place = placeOf(delta.index, delta.id)
          const call = calls[place]
          if (!call) return undefined
          call.id ||= delta.id ?? ''
          call.name ||= delta.name ?? ''
          call.arguments += delta.arguments_delta
          return { ...delta, index: place }
        }
        case 'usage':
          tokensIn = delta.tokens_in ?? tokensIn
          tokensOut = delta.tokens_out ?? tokensOut
          return undefined
        case 'finish':
          finish = delta.reason
          return undefined
      }
    },
    /** The whole answer, or the failure that its end amounts to. */
    finish(): Answer {
      if (finish === undefined) throw new UpstreamFailure('reset', 'The answer ended without a finish reason')
      const isEmpty = text === '' && calls.length === 0
      if (isEmpty && reasoning === '' && finish === 'stop' && !request.stop?.length) {
        throw new UpstreamFailure('empty_answer', 'The answer is empty')
      }
      return {
        text,
        reasoning: reasoning === '' ? null : reasoning,
        tool_calls: calls.map((call, index) => ({
          id: call.id || `call_${index + 1}`,
          name: call.name,
          arguments: call.arguments.trim() === '' ? '{}' : call.arguments,
        })),
        finish_reason: calls.length > 0 && finish === 'stop' ? 'tool_calls' : finish,
        usage: usage(true),
      }
    },
    /** What an answer that broke off has used, as far as it can be told. */
    partialUsage: () => usage(false),
    get hasFinished() {
      return finish !== undefined
    },
    get isEmpty() {
      return chars === 0 && calls.length === 0
    },
  }
}

/** What a request comes to in tokens, counted from its text. */
export function estimateInputTokens({ messages, tools }: InferenceRequest): number {
  let tokens = tools.length > 0 ? estimateTokens(JSON.stringify(tools)) : 0
  for (const { content, tool_calls: calls } of messages) {
    tokens += estimateTokens(textOf(content))
    for (const call of calls ?? []) tokens += estimateTokens(call.name + call.arguments)
    if (typeof content !== 'string') tokens += content.filter(({ type }) => type === 'image').length * tokensPerImage
  }
  return tokens
}
