import { createHash } from 'node:crypto'
import type { Approvals } from '#kernel/approvals/approvals.ts'
import type { ToolJudge } from '#kernel/policy/judge.ts'
import { type ApprovalRow, findGrant } from '#kernel/store/approvals.ts'
import { recordDecision } from '#kernel/store/policy-decisions.ts'
import type { Store } from '#kernel/store/store.ts'
import type { NewToolCall } from '#kernel/store/tool-calls.ts'
import type { Tool, ToolCaller, ToolSource } from './tool.ts'

/** One call, before it is judged: which tool, with what, for whom. */
export interface WantedCall {
  tool: Tool
  input: Record<string, unknown>
  caller: ToolCaller
  /** Its place in its turn's journal; null outside a turn. */
  seq: number | null
}

export type Admission =
  | { decision: 'allow'; approval_id: string | null }
  | { decision: 'deny'; rule: string; reason: string }
  | { decision: 'gate'; approval: ApprovalRow }

export interface GateDeps {
  store: Store
  judge: ToolJudge
  approvals: Pick<Approvals, 'request'>
}

/** The one gate before every tool, whoever asks: judged, and on record with the rule that decided. */
export function admit(wanted: WantedCall, { store, judge, approvals }: GateDeps): Admission {
  const { tool, input, caller, seq } = wanted
  const { risk = tool.risk, ask, deny } = conditionsOf(wanted)
  const { turn_id, session_id, agent_id, channel, authority } = caller
  const judgement = judge({ tool: { name: tool.name, risk, paths: tool.paths }, input, authority, ask, deny })
  const record = (decision: typeof judgement, approval_id: string | null) =>
    recordDecision(store.write, {
      turn_id,
      tool_name: tool.name,
      authority,
      risk,
      approval_id,
      ...decision,
      context: { ...decision.context, channel, source: tool.source },
    })
  if (judgement.decision === 'deny') {
    record(judgement, null)
    return { decision: 'deny', rule: judgement.rule, reason: judgement.reason ?? 'it is not allowed' }
  }
  if (judgement.decision === 'allow') {
    record(judgement, null)
    return { decision: 'allow', approval_id: null }
  }
  const subject = subjectOf(wanted)
  const grant = findGrant(store.read, subject, session_id)
  if (grant) {
    record({ ...judgement, decision: 'allow', rule: 'approval_grant' }, grant.approval_id)
    return { decision: 'allow', approval_id: grant.approval_id }
  }
  const approval = approvals.request({
    tool_name: tool.name,
    tool_version: versionOf(wanted),
    tool_input: JSON.stringify(input),
    subject,
    turn_id,
    seq,
    session_id,
    agent_id,
    channel,
    requested_authority: authority,
    risk_level: risk,
    policy_rule: judgement.rule,
    policy_reason: judgement.reason,
  })
  record(judgement, approval.id)
  return { decision: 'gate', approval }
}

/** What an approval is bound to: the tool in this version, with exactly this input, however it is ordered. */
export function subjectOf(wanted: Pick<WantedCall, 'tool' | 'input' | 'caller'>): string {
  const { tool, input } = wanted
  return createHash('sha256')
    .update(JSON.stringify([tool.name, versionOf(wanted), ordered(input)]))
    .digest('hex')
}

export function versionOf(wanted: Pick<WantedCall, 'tool' | 'input' | 'caller'>): string {
  return conditionsOf(wanted).version ?? wanted.tool.version
}

/** Whose tool it is, for this input. */
export function sourceOf(wanted: Pick<WantedCall, 'tool' | 'input' | 'caller'>): ToolSource {
  return conditionsOf(wanted).source ?? wanted.tool.source
}

/** How the audit names the call. */
export function auditFields(wanted: WantedCall): NewToolCall {
  const { tool, input, caller, seq } = wanted
  const source = sourceOf(wanted)
  const skill = source.kind === 'skill' ? source : undefined
  return {
    turn_id: caller.turn_id,
    seq,
    tool_name: tool.name,
    input: JSON.stringify(input),
    plugin: source.kind === 'plugin' ? source.plugin : null,
    skill_id: skill?.id ?? null,
    skill_name: skill?.name ?? null,
    skill_hash: skill?.hash ?? null,
    channel: caller.channel,
  }
}

function conditionsOf({ tool, input, caller }: Pick<WantedCall, 'tool' | 'input' | 'caller'>) {
  return tool.conditions?.(input, caller) ?? {}
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, part]) => [key, ordered(part)])
}
