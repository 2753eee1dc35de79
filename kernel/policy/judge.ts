import { type PolicySettings, rules, type ToolUse } from './rules.ts'

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
  /** Denied to everyone, also while approvals are disabled. */
  blocked_tools: readonly string[]
}

export type ToolJudge = (use: ToolUse) => Judgement

/** Judges each use of a tool by the settings of the moment: blocked tools, then the rules in order, then the gate. */
export function openJudge(
  settings: () => { policy: Omit<PolicySettings, 'usesInLastMinute'>; approvals: ApprovalSettings },
  now: () => number = Date.now,
): ToolJudge {
  const usesInLastMinute = countUses(now)

  return (use) => {
    const { policy, approvals } = settings()
    const { tool, authority } = use
    const context = { authority, risk: tool.risk }
    if (named(tool.name, approvals.blocked_tools)) {
      return { decision: 'deny', rule: 'blocked_tools', reason: `tool '${tool.name}' is blocked by policy`, context }
    }
    for (const rule of rules) {
      if (rule.waivedForCreator && authority === 'Creator') continue
      const reason = rule.denies(use, { ...policy, usesInLastMinute })
      if (reason !== null) return { decision: 'deny', rule: rule.name, reason, context }
    }
    if (approvals.enabled && named(tool.name, approvals.gated_tools)) {
      return { decision: 'gate', rule: 'approval', reason: `tool '${tool.name}' needs an approval`, context }
    }
    return { decision: 'allow', rule: 'rules', reason: null, context }
  }
}

function named(tool: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => matches(tool, pattern))
}

/** `*` stands for any characters; the pieces between are looked for in order, so that no pattern takes long. */
function matches(name: string, pattern: string): boolean {
  const pieces = pattern.split('*')
  const [first = '', last = ''] = [pieces[0], pieces.at(-1)]
  if (pieces.length === 1) return name === pattern
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false
  let from = first.length
  for (const piece of pieces.slice(1, -1)) {
    const at = name.indexOf(piece, from)
    if (at < 0) return false
    from = at + piece.length
  }
  return from <= name.length - last.length
}

const minuteMs = 60_000

function countUses(now: () => number): (tool: string) => number {
  const uses = new Map<string, number[]>()
  return (tool) => {
    const at = now()
    const recent = [...(uses.get(tool) ?? []).filter((use) => use > at - minuteMs), at]
    uses.set(tool, recent)
    return recent.length
  }
}
