import type { RiskLevel } from '#sdk/services/tools.ts'
import { riskAtLeast } from './authority.ts'
import { isNamed } from './name-pattern.ts'
import { type PolicySettings, rules, type ToolUse } from './rules.ts'
import { openUseCounter } from './use-counter.ts'

export interface Judgement {
  decision: 'allow' | 'deny' | 'gate'
  /** Which rule decided. */
  rule: string
  reason: string | null
  /** What it looked at, for the record. */
  context: Record<string, unknown>
}

export interface ApprovalSettings {
  enabled: boolean
  /** Names, in which `*` stands for any characters. */
  gated_tools: readonly string[]
  /** The same; denied to everyone, also while approvals are disabled. */
  blocked_tools: readonly string[]
  /** Tools of this risk or a higher one are gated whatever their name. */
  gate_risk: RiskLevel
}

export interface PolicyContext {
  policy: PolicySettings
  approvals: ApprovalSettings
}

export type ToolJudge = (use: ToolUse) => Judgement

/**
 * Blocked tools, what the tool itself refuses, the rules in order, then the gate. A gated use has passed the rules and
 * waits for a person.
 */
export function judgeToolCall(use: ToolUse, { policy, approvals }: PolicyContext): Judgement {
  const { tool, authority, ask, deny, approved } = use
  const context = { authority, risk: tool.risk }
  const names = [tool.name, tool.declared ?? tool.name]
  const isListed = (patterns: readonly string[]) => names.some((name) => isNamed(name, patterns))
  if (isListed(approvals.blocked_tools)) {
    return { decision: 'deny', rule: 'blocked_tools', reason: `tool '${tool.name}' is blocked by policy`, context }
  }
  if (deny !== undefined) return { decision: 'deny', rule: 'tool_policy', reason: deny, context }
  for (const { name, waivedForCreator, denies } of rules) {
    if (waivedForCreator && authority === 'Creator') continue
    const reason = denies(use, policy)
    if (reason !== null) return { decision: 'deny', rule: name, reason, context }
  }
  if (approved) return { decision: 'allow', rule: 'approval', reason: null, context }
  if (ask !== undefined) return { decision: 'gate', rule: 'tool_policy', reason: ask, context }
  const gated = isListed(approvals.gated_tools) || riskAtLeast(tool.risk, approvals.gate_risk)
  if (approvals.enabled && gated) {
    return { decision: 'gate', rule: 'approval', reason: `tool '${tool.name}' needs an approval`, context }
  }
  return { decision: 'allow', rule: 'rules', reason: null, context }
}

/**
 * Judges each use by the settings of the moment, and counts those that it lets through, once each; `dry` counts nothing,
 * for those who only ask.
 */
export function openJudge(
  settings: () => { policy: Omit<PolicySettings, 'usesInLastMinute'>; approvals: ApprovalSettings },
  { now, dry = false }: { now?: () => number; dry?: boolean } = {},
): ToolJudge {
  const uses = openUseCounter(now)
  return (use) => {
    const { policy, approvals } = settings()
    const judgement = judgeToolCall(use, { policy: { ...policy, usesInLastMinute: uses.recent }, approvals })
    if (!dry && judgement.decision !== 'deny' && use.authority !== 'Creator' && !use.approved) uses.count(use.tool.name)
    return judgement
  }
}
