import type { Context } from '#kernel/context.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import { listDecisions, listRecentDecisions } from '#kernel/store/policy-decisions.ts'
import { listRecentToolCalls, listToolCalls } from '#kernel/store/tool-calls.ts'
import type { auditRoutes } from '#sdk/contracts/audit.ts'
import { toolCallView } from './tool-call-view.ts'

export const auditHandlers: Handlers<typeof auditRoutes, Pick<Context, 'store'>> = {
  listRecentDecisions: ({ query: { limit, offset, tool, decision } }, { store }) => ({
    decisions: listRecentDecisions(store.read, { limit, offset, tool: tool ?? null, decision: decision ?? null }),
    limit,
    offset,
  }),
  listRecentToolCalls: ({ query: { limit, offset, tool, status } }, { store }) => ({
    tool_calls: listRecentToolCalls(store.read, { limit, offset, tool: tool ?? null, status: status ?? null }).map(
      toolCallView,
    ),
    limit,
    offset,
  }),
  listPolicyDecisions: ({ params }, { store }) => ({
    turn_id: params.turn_id,
    decisions: listDecisions(store.read, params.turn_id),
  }),
  listToolAudit: ({ params }, { store }) => ({
    turn_id: params.turn_id,
    tool_calls: listToolCalls(store.read, params.turn_id).map(toolCallView),
  }),
}
