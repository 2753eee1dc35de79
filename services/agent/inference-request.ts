import { noAccount } from '#sdk/budgets.ts'
import type { ModelMessage } from '#sdk/messages.ts'
import type { ContextPlan, TurnJob } from '#sdk/services/agent.ts'
import type { InferenceRequest } from '#sdk/services/inference.ts'
import type { Round } from './journal.ts'
import { spentBy } from './limits.ts'

/** The call to a model at this point of a turn, within what the turn may still spend. */
export function inferenceRequest(
  { turn_id, model, tools, limits }: TurnJob,
  {
    seq,
    messages,
    plan,
    rounds,
  }: { seq: number; messages: ModelMessage[]; plan: ContextPlan | null; rounds: readonly Round[] },
): InferenceRequest {
  return {
    request_id: `${turn_id}-${seq}`,
    model,
    messages,
    tools,
    fallback: true,
    stream: true,
    cache_scope: null,
    purpose: 'turn',
    turn_id,
    // The kernel knows who pays for the turn.
    account: noAccount,
    max_cost: limits.max_cost === null ? null : Math.max(0, limits.max_cost - spentBy(rounds).cost),
    ...(plan ? { complexity: plan.complexity_score } : {}),
  }
}
