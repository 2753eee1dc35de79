import { z } from 'zod'
import { get } from '../route.ts'
import { authority } from '../services/agent.ts'
import { riskLevel } from '../services/tools.ts'
import { filter, page } from './query.ts'
import { turnToolCall } from './turns.ts'
import { jsonObject, time } from './values.ts'

const decisionKind = z.enum(['allow', 'deny', 'gate'])

export const policyDecision = z.object({
  id: z.string(),
  tool_name: z.string(),
  /** `gate`: held for an operator. */
  decision: decisionKind,
  /** The rule that decided. */
  rule_name: z.string().nullable(),
  reason: z.string().nullable(),
  created_at: time,
  authority: authority.nullable(),
  risk_level: riskLevel.nullable(),
  approval_id: z.string().nullable(),
  /** What the rule looked at. */
  context: jsonObject,
})
export type PolicyDecision = z.infer<typeof policyDecision>

const ofAnyTurn = {
  /** null for a call that no turn made, such as one over the API. */
  turn_id: z.string().nullable(),
}
const window = { limit: z.int().min(1), offset: z.int().min(0) }

export const auditRoutes = {
  listRecentDecisions: get('/api/audit/policy', {
    summary: 'Policy audit of all calls, newest first',
    query: z.object({ ...page, tool: filter, decision: decisionKind.optional() }),
    response: z.object({ decisions: z.array(policyDecision.extend(ofAnyTurn)), ...window }),
  }),
  listRecentToolCalls: get('/api/audit/tools', {
    summary: 'Tool audit of all calls, newest first',
    query: z.object({ ...page, tool: filter, status: filter }),
    response: z.object({ tool_calls: z.array(turnToolCall.extend(ofAnyTurn)), ...window }),
  }),
  listPolicyDecisions: get('/api/audit/policy/:turn_id', {
    summary: 'Policy audit for a turn',
    response: z.object({ turn_id: z.string(), decisions: z.array(policyDecision) }),
  }),
  listToolAudit: get('/api/audit/tools/:turn_id', {
    summary: 'Tool audit for a turn',
    response: z.object({ turn_id: z.string(), tool_calls: z.array(turnToolCall) }),
  }),
}
