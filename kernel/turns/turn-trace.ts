import { z } from 'zod'
import type { ReadableDb } from '#kernel/store/database.ts'
import { traceOfTurn } from '#kernel/store/turns.ts'
import { Span, type SpanStart } from '#sdk/telemetry/span.ts'
import { newSpanId, type TraceContext } from '#sdk/telemetry/trace-context.ts'
import { activeSpan, doneIn, inSpan, rootSpan, spanIn, withSpan } from '#sdk/telemetry/tracing.ts'
import type { TurnRequest } from './turn-request.ts'
import type { TurnOutcome } from './turn-runner.ts'

/** Where a turn stands in its trace. Its span is begun by one process and may be ended by another. */
export const turnTrace = z.object({
  trace_id: z.string(),
  span_id: z.string(),
  /** What asked for the turn. */
  parent_id: z.string().nullable(),
  sampled: z.boolean(),
  content: z.boolean(),
})
export type TurnTrace = z.infer<typeof turnTrace>

/** A place below the work that asks for the turn, or in a trace of its own. */
export function newTurnTrace(): TurnTrace {
  const asking = activeSpan()
  const { traceId, isSampled, hasContent } = (asking ?? rootSpan('turn')).context
  return {
    trace_id: traceId,
    span_id: newSpanId(),
    parent_id: asking?.context.spanId ?? null,
    sampled: isSampled,
    content: hasContent,
  }
}

function contextOf({ trace_id, span_id, sampled, content }: TurnTrace): TraceContext {
  return { traceId: trace_id, spanId: span_id, isSampled: sampled, hasContent: content }
}

/** The span of a turn that is begun or taken up again; it begins when the message was accepted. */
export function turnSpan(
  { trace, agent_id, channel }: TurnRequest,
  { session_id, created_at }: { session_id: string; created_at: string },
): Span {
  if (!trace) return rootSpan('turn')
  const start = {
    startedAt: Date.parse(created_at),
    attributes: {
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.id': agent_id,
      'gen_ai.conversation.id': session_id,
      'keel.channel': channel,
    },
  }
  return spanIn(contextOf(trace), `invoke_agent ${agent_id}`, start, { parentId: trace.parent_id, isRemote: false })
}

/** What the turn came to. */
export function endTurnSpan(span: Span, { turn_id, status, react_turns, totals, request, content }: TurnOutcome): void {
  span
    .set({
      'keel.turn.id': turn_id,
      'keel.turn.status': status,
      'keel.turn.rounds': react_turns,
      'keel.turn.cost': totals.cost,
      'keel.turn.cached': totals.cached,
      'gen_ai.response.model': totals.model ?? undefined,
      'gen_ai.usage.input_tokens': totals.tokens_in,
      'gen_ai.usage.output_tokens': totals.tokens_out,
    })
    .setContent('gen_ai.input.messages', () => spokenMessages('user', request.model_text))
    .setContent('gen_ai.output.messages', () => spokenMessages('assistant', content))
  if (status === 'error' || status === 'interrupted') span.failAs(status)
  span.end()
}

/** Does what a turn led to, beside it or after it, as a span below the turn's own; without a turn, in a trace of its own. */
export function inTrace<T>(
  db: ReadableDb,
  turnId: string | null,
  name: string,
  start: SpanStart,
  work: (span: Span | undefined) => T | Promise<T>,
): Promise<T> {
  const { data: trace } = turnTrace.safeParse(turnId === null ? null : traceOfTurn(db, turnId))
  if (!trace) return doneIn(rootSpan(name, start), work)
  return withSpan(new Span(contextOf(trace)), () => inSpan(name, start, work))
}

/** As the conventions for generative models have messages. */
function spokenMessages(role: string, content: string): string {
  return JSON.stringify([{ role, parts: [{ type: 'text', content }] }])
}
