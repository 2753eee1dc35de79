import type { Socket } from 'node:net'

/** What the scripted upstream answers with; every field is optional and `{}` is an ordinary short answer. */
export interface UpstreamReply {
  /** Default `Hello from upstream.`; streamed word by word. */
  text?: string
  /** The pieces in which the text is streamed, instead of words. */
  chunks?: string[]
  reasoning?: string
  toolCalls?: { id?: string; name: string; arguments: string }[]
  /** Default `tool_calls` with tool calls, else `stop`. */
  finishReason?: 'stop' | 'length' | 'tool_calls' | 'content_filter'
  /** Default 11 in and 7 out; null leaves the figures away. */
  usage?: { input: number; output: number } | null
  /** Any status of 400 and above makes the reply an error in the protocol's own form. */
  status?: number
  headers?: Record<string, string>
  /** The error's code and message. */
  error?: { message?: string; code?: string; type?: string }
  /** Sent as it is (JSON unless a string) in place of everything else. */
  body?: unknown
  /** Wait before the first byte, in milliseconds. */
  delayMs?: number
  /** Wait for this before the first byte. */
  until?: Promise<unknown>
  /** Wait before each streamed piece, in milliseconds. */
  chunkDelayMs?: number
  /** The body leaves in slices of this many bytes, so that characters and events are cut anywhere. */
  sliceBytes?: number
  /**
   * `hang` says nothing more; `reset` breaks the connection; `truncate` ends a stream without a finish reason;
   * `garbage` sends what is no JSON; `error_event` sends the protocol's error inside a 200 stream.
   */
  fault?: 'hang' | 'reset' | 'truncate' | 'garbage' | 'error_event'
  /** How many pieces go out before the fault; 0, the default, is before the first byte for `hang` and `reset`. */
  afterChunks?: number
  embeddings?: number[][]
  /** Has the connection to itself, for bytes that no server of HTTP would send; nothing else of the reply counts. */
  raw?: (connection: Socket, request: { streams: boolean; path: string }) => void | Promise<void>
}

export const defaultText = 'Hello from upstream.'
const defaultUsage = { input: 11, output: 7 }

/** A reply with its defaults filled in, as every protocol needs it. */
export function resolveReply(reply: UpstreamReply) {
  const toolCalls = (reply.toolCalls ?? []).map((call, index) => ({ ...call, id: call.id ?? `call_${index + 1}` }))
  const text = reply.text ?? reply.chunks?.join('') ?? (toolCalls.length > 0 ? '' : defaultText)
  return {
    text,
    pieces: reply.chunks ?? text.match(/\S+\s*/g) ?? [],
    reasoning: reply.reasoning,
    toolCalls,
    finishReason: reply.finishReason ?? (toolCalls.length > 0 ? 'tool_calls' : 'stop'),
    usage: reply.usage === undefined ? defaultUsage : reply.usage,
  }
}

export type ResolvedReply = ReturnType<typeof resolveReply>

/** A vector of the text's three-letter groups: the same for the same text, close for close ones. */
export function testEmbedding(text: string, dimensions = 64): number[] {
  const vector = new Array<number>(dimensions).fill(0)
  const padded = `  ${text.toLowerCase()}  `
  for (let at = 0; at + 3 <= padded.length; at++) {
    let hash = 7
    for (const char of padded.slice(at, at + 3)) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0
    const slot = hash % dimensions
    vector[slot] = (vector[slot] ?? 0) + 1
  }
  const length = Math.hypot(...vector) || 1
  return vector.map((value) => value / length)
}
