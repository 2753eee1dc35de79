import { pendingApprovalsOfTurn } from '#kernel/store/approvals.ts'
import type { Store } from '#kernel/store/store.ts'
import type { AgentAnswer } from '#sdk/contracts/agent.ts'
import type { AcceptedTurn } from './accept-turn.ts'
import { answerOf } from './answer.ts'
import type { TurnOutcome } from './turn-runner.ts'

/**
 * How the turn ended; or, once it has waited so long for a person, the requests it waits for. It then goes on without the
 * caller, and its answer is appended to the session.
 */
export async function outcomeOrApprovals(
  { live, outcome }: Pick<AcceptedTurn, 'live' | 'outcome'>,
  { read }: Pick<Store, 'read'>,
  waitMs: number,
): Promise<TurnOutcome | { pending_approvals: string[]; content: string }> {
  const { promise, resolve } = Promise.withResolvers<{ pending_approvals: string[]; content: string }>()
  let timer: NodeJS.Timeout | undefined
  const look = () => {
    timer = undefined
    const pending = pendingApprovalsOfTurn(read, live.id)
    if (pending.length === 0) return
    const named = pending.map(({ id, tool_name }) => `${tool_name} (request ${id})`).join(', ')
    const waiting = `I wait for an approval of ${named}. When it is decided I go on, and my answer comes into this session.`
    resolve({
      pending_approvals: pending.map(({ id }) => id),
      content: live.text.trim() === '' ? waiting : `${live.text.trim()}\n\n${waiting}`,
    })
  }
  const unlisten = live.listen((event) => {
    if (event.type === 'approval_required') timer ??= setTimeout(look, waitMs)
  })
  try {
    return await Promise.race([outcome, promise])
  } finally {
    clearTimeout(timer)
    unlisten()
  }
}

/** The answer to a message whose turn waits for a person. */
export function pendingAnswer(
  accepted: AcceptedTurn,
  { pending_approvals, content }: { pending_approvals: string[]; content: string },
  store: Pick<Store, 'read'>,
): AgentAnswer {
  const nothing = {
    tokens_in: 0,
    tokens_out: 0,
    cost: 0,
    tokens_saved: 0,
    model: null,
    selected_model: null,
    cached: false,
    quality_score: null,
    thinking: null,
    tools_used: [],
    inference_calls: 0,
  }
  const soFar = {
    turn_id: accepted.turn_id,
    session_id: accepted.session_id,
    assistant_message_id: '',
    content,
    react_turns: 0,
    latency_ms: 0,
    totals: nothing,
  }
  return { ...answerOf(accepted, soFar, store), pending_approvals }
}
