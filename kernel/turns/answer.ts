import type { Store } from '#kernel/store/store.ts'
import { listToolCalls } from '#kernel/store/tool-calls.ts'
import { findContextSnapshot } from '#kernel/store/turn-steps.ts'
import type { AgentAnswer } from '#sdk/contracts/agent.ts'
import type { AcceptedTurn } from './accept-turn.ts'
import type { TurnOutcome } from './turn-runner.ts'

/** The whole answer to a message, as clients of the blocking route get it. */
export function answerOf(
  accepted: AcceptedTurn,
  outcome: Omit<TurnOutcome, 'status' | 'request'>,
  { read }: Pick<Store, 'read'>,
): AgentAnswer {
  const { totals } = outcome
  const model = totals.model ?? ''
  const selected_model = totals.selected_model ?? model
  const shifted = totals.selected_model !== null && selected_model !== model
  return {
    session_id: outcome.session_id,
    turn_id: outcome.turn_id,
    nickname: accepted.nickname,
    user_message_id: accepted.user_message_id,
    assistant_message_id: outcome.assistant_message_id,
    content: outcome.content,
    selected_model,
    model,
    model_shift_from: shifted ? selected_model : null,
    cached: totals.cached,
    tokens_saved: totals.tokens_saved,
    tokens_in: totals.tokens_in,
    tokens_out: totals.tokens_out,
    cost: totals.cost,
    threat_score: accepted.threat_score,
    reduced_authority: accepted.reduced_authority,
    authority: accepted.authority,
    react_turns: outcome.react_turns,
    tools_used: [...new Set(totals.tools_used)],
    tool_calls: listToolCalls(read, outcome.turn_id).map(({ id, tool_name, status, duration_ms }) => ({
      id,
      tool_name,
      status,
      duration_ms,
    })),
    latency_ms: outcome.latency_ms,
    quality_score: totals.quality_score,
    escalated: false,
    complexity_level: findContextSnapshot(read, outcome.turn_id)?.complexity_level ?? null,
    pending_approvals: [],
  }
}
