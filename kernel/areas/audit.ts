import type { auditRoutes } from '#sdk/contracts/audit.ts'
import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import { listDecisions } from '#kernel/store/policy-decisions.ts'
import { listToolCalls } from '#kernel/store/tool-calls.ts'

export const auditHandlers: Handlers<typeof auditRoutes, Pick<Context, 'store'>> = {
  getPolicyAudit: ({ params }, { store }) => ({
    turn_id: params.turn_id,
    decisions: listDecisions(store.read, params.turn_id),
  }),
  getToolAudit: ({ params }, { store }) => ({ turn_id: params.turn_id, tool_calls: listToolCalls(store.read, params.turn_id) }),
}
