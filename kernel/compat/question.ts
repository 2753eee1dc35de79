import type { IncomingHttpHeaders } from 'node:http'
import type { Caller } from '#kernel/http/gate.ts'
import type { Reply } from '#kernel/http/reply.ts'
import type { Params } from '#sdk/service.ts'
import type { InferenceResult, inferenceService } from '#sdk/services/inference.ts'

type CompleteParams = Params<(typeof inferenceService)['methods']['complete']>

/** What a client of any door asks, in neutral words. */
export interface Question
  extends Pick<
    CompleteParams,
    | 'messages'
    | 'tools'
    | 'tool_choice'
    | 'parallel_tool_calls'
    | 'max_tokens'
    | 'temperature'
    | 'top_p'
    | 'stop'
    | 'seed'
    | 'response_format'
  > {
  /** As the client spells it. */
  model: string
}

/** Whose question it is, and how its answer leaves. */
export interface DoorCall {
  door: 'openai' | 'anthropic'
  /** The client's word for its own user; names the session in agent mode. */
  user: string | null | undefined
  caller: Caller
  headers: IncomingHttpHeaders
  /** Aborts when the client hangs up. */
  signal: AbortSignal
  reply: Reply
  /** Where the answer goes piece by piece; absent when only the whole is wanted. */
  stream: AnswerStream | undefined
}

export type Answer = Pick<InferenceResult, 'model' | 'text' | 'tool_calls' | 'finish_reason' | 'usage'>

/** A piece of a tool call: id and name come with its first piece. */
export interface ToolCallPiece {
  index: number
  id?: string | undefined
  name?: string | undefined
  arguments_delta: string
}

/** An answer as one protocol streams it. `begin` comes once and first; a piece settles when there is room for the next. */
export interface AnswerStream {
  begin(model: string): Promise<void>
  text(delta: string): Promise<void>
  toolCall(piece: ToolCallPiece): Promise<void>
}
