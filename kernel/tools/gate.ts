import { createHash } from 'node:crypto'
import type { Approvals } from '#kernel/approvals/approvals.ts'
import { authorityAtLeast } from '#kernel/policy/authority.ts'
import type { Judgement, ToolJudge } from '#kernel/policy/judge.ts'
import type { ToolUse } from '#kernel/policy/rules.ts'
import { type ApprovalRow, findGrants } from '#kernel/store/approvals.ts'
import type { WritableDb } from '#kernel/store/database.ts'
import { recordDecision } from '#kernel/store/policy-decisions.ts'
import type { Store } from '#kernel/store/store.ts'
import { type NewToolCall, openToolCall } from '#kernel/store/tool-calls.ts'
import type { Tool, ToolCaller, ToolSource } from './tool.ts'

/** One call, before it is judged: which tool, with what, for whom. */
export interface WantedCall {
  tool: Tool
  input: Record<string, unknown>
  caller: ToolCaller
  /** Its place in its turn's journal; null outside a turn. */
  seq: number | null
}

export interface Denial {
  decision: 'deny'
  rule: string
  reason: string
}

export type Admission =
  | { decision: 'allow'; approval_id: string | null }
  | Denial
  | { decision: 'gate'; approval: ApprovalRow }

export interface GateDeps {
  store: Store
  judge: ToolJudge
  approvals: Pick<Approvals, 'request' | 'fullReason'>
}

/** The one gate before every tool, whoever asks: judged, and on record with the rule that decided. */
export function admit(wanted: WantedCall, { store, judge, approvals }: GateDeps): Admission {
  const { tool, input, caller, seq } = wanted
  const { turn_id, session_id, agent_id, channel, authority } = caller
  const judgement = judge(useOf(wanted))
  if (judgement.decision === 'deny') return denied(wanted, judgement, null, store)
  if (judgement.decision === 'allow') {
    record(store.write, wanted, judgement, null)
    return { decision: 'allow', approval_id: null }
  }
  const subject = subjectOf(wanted)
  const grant = findGrants(store.read, subject, session_id).find((known) =>
    authorityAtLeast(authority, known.authority),
  )
  if (grant) {
    record(store.write, wanted, { ...judgement, decision: 'allow', rule: 'approval_grant' }, grant.approval_id)
    return { decision: 'allow', approval_id: grant.approval_id }
  }
  const full = approvals.fullReason(session_id)
  if (full !== null)
    return denied(wanted, { ...judgement, decision: 'deny', rule: 'approval_limit', reason: full }, null, store)
  const { risk = tool.risk } = conditionsOf(wanted)
  const request = {
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
  }
  const approval = approvals.request(request, ({ id }, db) => {
    record(db, wanted, judgement, id)
    openToolCall(db, auditFields(wanted), 'awaiting_approval', id)
  })
  return { decision: 'gate', approval }
}

/** The call that a person has allowed: it must still be what was shown, and the rules of this moment hold for it too. */
export function readmit(
  wanted: WantedCall,
  approval: ApprovalRow,
  { store, judge }: Pick<GateDeps, 'store' | 'judge'>,
): Admission {
  const judgement = judge({ ...useOf(wanted), approved: true })
  if (judgement.decision === 'deny') return denied(wanted, judgement, approval.id, store)
  if (subjectOf(wanted) !== approval.subject) {
    const reason = `${wanted.tool.name} has changed since it was approved`
    return denied(wanted, { ...judgement, decision: 'deny', rule: 'approval', reason }, approval.id, store)
  }
  const reason = `approved by ${approval.decided_by}`
  record(store.write, wanted, { ...judgement, decision: 'allow', reason }, approval.id)
  return { decision: 'allow', approval_id: approval.id }
}

function useOf(wanted: WantedCall): ToolUse {
  const { tool, input, caller } = wanted
  const { risk = tool.risk, ask, deny } = conditionsOf(wanted)
  const { name, source, paths } = tool
  const declared = source.kind === 'plugin' ? source.tool : undefined
  return { tool: { name, declared, risk, paths }, input, authority: caller.authority, ask, deny }
}

function denied(wanted: WantedCall, judgement: Judgement, approvalId: string | null, { write }: Store): Denial {
  record(write, wanted, judgement, approvalId)
  return { decision: 'deny', rule: judgement.rule, reason: judgement.reason ?? 'it is not allowed' }
}

function record(db: WritableDb, wanted: WantedCall, judgement: Judgement, approval_id: string | null): void {
  const { tool, caller } = wanted
  const { risk = tool.risk, source = tool.source } = conditionsOf(wanted)
  const { turn_id, authority, channel, standing } = caller
  recordDecision(db, {
    turn_id,
    tool_name: tool.name,
    authority,
    risk,
    approval_id,
    ...judgement,
    context: { ...judgement.context, channel, source, ...standing },
  })
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
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1))
  return Object.fromEntries(entries.map(([key, part]) => [key, ordered(part)]))
}
