import { z } from 'zod'
import { get } from '../route.ts'
import { authority } from '../services/agent.ts'
import { riskLevel } from '../services/tools.ts'
import { turnToolCall } from './turns.ts'
import { jsonObject, time } from './values.ts'

export const policyDecision = z.object({
  id: z.string(),
  tool_name: z.string(),
  /** `gate`: held for an operator. */
  decision: z.enum(['allow', 'deny', 'gate']),
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

export const auditRoutes = {
  listPolicyDecisions: get('/api/audit/policy/:turn_id', {
    summary: 'Policy audit for a turn',
    response: z.object({ turn_id: z.string(), decisions: z.array(policyDecision) }),
  }),
  listToolAudit: get('/api/audit/tools/:turn_id', {
    summary: 'Tool audit for a turn',
    response: z.object({ turn_id: z.string(), tool_calls: z.array(turnToolCall) }),
  }),
}
