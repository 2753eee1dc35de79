import { payerOf } from '#kernel/budgets/payer.ts'
import type { Context } from '#kernel/context.ts'
import { apiGrant } from '#kernel/policy/authority.ts'
import { acceptTurn } from '#kernel/turns/accept-turn.ts'
import { outcomeOrApprovals } from '#kernel/turns/await-answer.ts'
import type { TurnEvent } from '#kernel/turns/live-turn.ts'
import type { TurnOutcome } from '#kernel/turns/turn-runner.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { type ModelMessage, textOf } from '#sdk/messages.ts'
import type { Answer, AnswerStream, DoorCall, Question } from './question.ts'

/** What stands between a text that a client already has and the one that takes its place. */
const afterVoidText = '\n\n'

const finishReasons = {
  ok: 'stop',
  blocked: 'content_filter',
  limit: 'length',
  interrupted: 'length',
} as const satisfies Partial<Record<TurnOutcome['status'], Answer['finish_reason']>>

/**
 * The last user message as a turn of the agent: in the session of `x-session-id`, in the one of the client's user, or in
 * the owner's. The agent has its own instructions, history and tools; the client's are left aside, and so are pictures.
 */
export async function askAgent(
  question: Question,
  model: string,
  { door, user, caller, headers, signal, reply, stream }: DoorCall,
  { store, bus, config, inFlight, turns }: Pick<Context, 'store' | 'bus' | 'config' | 'inFlight' | 'turns'>,
): Promise<Answer> {
  await store.free()
  const current = config.current()
  const accepted = acceptTurn(
    {
      content: lastUserText(question.messages),
      session_id: singleHeader(headers['x-session-id']),
      scope_key: user ? `peer:${door}:${user}` : 'agent',
      channel: door,
      peer_id: user || undefined,
      model,
      grants: [apiGrant(current.security)],
      account: payerOf(caller),
      streamed: stream !== undefined,
    },
    { store, bus, config: current, inFlight, turns },
  )
  const hangUp = () => accepted.live.hangUp()
  signal.addEventListener('abort', hangUp, { once: true })
  if (signal.aborted) hangUp()
  reply.header('x-session-id', accepted.session_id).header('x-turn-id', accepted.turn_id)
  // The message is taken: clients that try again by themselves would have it answered twice.
  reply.header('x-should-retry', 'false')
  const relay = stream && relayTo(stream)
  try {
    if (relay) accepted.live.listen(relay.onEvent)
    await stream?.begin(question.model)
    const outcome = await outcomeOrApprovals(accepted, store, current.approvals.answer_wait_seconds * 1000)
    await relay?.say(outcome.content)
    return 'pending_approvals' in outcome ? pendingAnswer(outcome, question.model) : answerOf(outcome, question.model)
  } finally {
    signal.removeEventListener('abort', hangUp)
  }
}

export function lastUserText(messages: readonly ModelMessage[]): string {
  const last = messages.findLast(({ role }) => role === 'user')
  if (!last) throw new RuntimeError('invalid', 'messages: has no user message for the agent', { param: 'messages' })
  return textOf(last.content)
}

function singleHeader(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function pendingAnswer({ content }: { content: string }, asked: string): Answer {
  const usage = { tokens_in: 0, tokens_out: 0, estimated: true }
  return { model: asked, text: content, tool_calls: [], finish_reason: 'stop', usage }
}

function answerOf({ status, content, totals }: TurnOutcome, asked: string): Answer {
  if (status === 'error') throw new RuntimeError('upstream_failed', content)
  return {
    model: totals.model ?? asked,
    text: content,
    tool_calls: [],
    finish_reason: finishReasons[status],
    usage: { tokens_in: totals.tokens_in, tokens_out: totals.tokens_out, estimated: false },
  }
}

/**
 * A stream of these protocols can not take back what it has said. A turn that begins anew after a crash, or whose answer
 * was withheld, goes on where the new text continues the old one, and otherwise after it.
 */
function relayTo(stream: AnswerStream) {
  let said = ''
  let text = ''

  async function say(wanted: string): Promise<void> {
    text = wanted
    if (said.startsWith(wanted)) return
    const delta = wanted.startsWith(said) ? wanted.slice(said.length) : afterVoidText + wanted
    said = wanted
    await stream.text(delta)
  }

  return {
    say,
    async onEvent(event: TurnEvent): Promise<void> {
      if (event.type === 'content_replaced') return say(event.content)
      if (event.type !== 'delta') return
      if (text.length !== said.length) return say(text + event.delta)
      text += event.delta
      said = text
      await stream.text(event.delta)
    },
  }
}
