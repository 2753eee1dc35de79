import { denialText } from '#kernel/approvals/denial.ts'
import type { EventBus } from '#kernel/events/bus.ts'
import { type ApprovalRow, findApprovalOfStep, useApproval } from '#kernel/store/approvals.ts'
import type { Store } from '#kernel/store/store.ts'
import { closeToolCall, openToolCall } from '#kernel/store/tool-calls.ts'
import { findStep, saveStep } from '#kernel/store/turn-steps.ts'
import { loadTurn, requireCurrentAttempt, turnRequest as storedRequest } from '#kernel/store/turns.ts'
import { preview } from '#kernel/tools/call-tool.ts'
import { admit, auditFields, type GateDeps, readmit, sourceOf, versionOf, type WantedCall } from '#kernel/tools/gate.ts'
import { cutOffText, runTool } from '#kernel/tools/run-tool.ts'
import type { ToolCaller } from '#kernel/tools/tool.ts'
import type { Toolbox } from '#kernel/tools/toolbox.ts'
import { tracedTool } from '#kernel/tools/traced-tool.ts'
import { cutOutput } from '#sdk/cut-output.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { ToolCall } from '#sdk/messages.ts'
import { redactText } from '#sdk/redact.ts'
import type { CallContext, Params } from '#sdk/service.ts'
import type { ToolOutcome } from '#sdk/services/agent.ts'
import type { kernelForAgent } from '#sdk/services/kernel.ts'
import { maxToolOutputBytes } from '#sdk/services/tools.ts'
import { turnRequest } from './turn-request.ts'
import type { TurnRunner } from './turn-runner.ts'

type ToolMethod = (typeof kernelForAgent)['methods']['callTool']
type Answer = Omit<ToolOutcome, 'duration_ms'>

/** How long a step that is done waits for a database that takes no writes, in milliseconds. */
const storeWaitMs = 10_000

export interface ToolStepDeps extends GateDeps {
  bus: EventBus
  toolbox: Pick<Toolbox, 'find'>
  turns: Pick<TurnRunner, 'find'>
}

/**
 * One tool call: judged, on record before it begins, run at most once unless the tool is idempotent, and on record with
 * its outcome. A call that waits for a person leaves the journal as it was: whoever asks again is told the same until it
 * is decided. A call that an earlier attempt began and never ended has the outcome `unknown`.
 */
export async function toolStep(
  { turn_id, attempt, seq, call }: Params<ToolMethod>,
  { signal }: Pick<CallContext<ToolMethod>, 'signal'>,
  deps: ToolStepDeps,
): Promise<ToolOutcome> {
  const { store, toolbox } = deps
  requireCurrentAttempt(store.read, turn_id, attempt)
  const known = findStep(store.read, turn_id, seq)?.step
  if (known && known.kind !== 'tool')
    throw new RuntimeError('conflict', `step ${seq} of turn ${turn_id} is a ${known.kind}`)
  if (known?.outcome) return known.outcome

  const place: Place = { turn_id, attempt, seq, call, caller: callerOf(store, turn_id) }
  const tool = toolbox.find(call.name)
  const approval = findApprovalOfStep(store.read, turn_id, seq)
  const replayOf = approval?.status === 'approved' ? approval.id : undefined
  if (known && !tool?.idempotent)
    return finish(place, { status: 'unknown', output: cutOffText(call.name) }, deps, { replayOf })
  // Before the tool is looked at: it may not be there yet after a start.
  if (approval?.status === 'pending') return { ...waiting(approval), duration_ms: 0 }
  const denial = approval && denialText(approval)
  if (denial !== undefined) return finish(place, { status: 'denied', output: denial }, deps)
  if (!tool)
    return finish(place, { status: 'error', output: `There is no tool named ${call.name}.` }, deps, { replayOf })
  const input = parseArguments(call, tool)
  if (typeof input === 'string') return finish(place, { status: 'error', output: input }, deps, { replayOf })
  const wanted: WantedCall = { tool, input, caller: place.caller, seq }

  const admission = approval ? readmit(wanted, approval, deps) : admit(wanted, deps)
  if (admission.decision === 'gate') {
    announceRequest(admission.approval, wanted, deps)
    return { ...waiting(admission.approval), duration_ms: 0 }
  }
  if (admission.decision === 'deny')
    return finish(place, { status: 'denied', output: `Denied: ${admission.reason}` }, deps, { wanted, replayOf })

  if (replayOf !== undefined)
    deps.bus.publish('approval_replay_started', { request_id: replayOf, tool: call.name, turn_id })
  const rowId = begin(place, wanted, { approval_id: admission.approval_id, uses: known ? undefined : replayOf }, deps)
  const startedAt = Date.now()
  const progress = (message: string) =>
    deps.turns.find(turn_id)?.live.announce({ type: 'tool_progress', id: rowId, tool_name: call.name, message })
  const run = { call_id: rowId, caller: place.caller, version: versionOf(wanted), signal, progress }
  const whole = await tracedTool(wanted, call.id, () => runTool(tool, input, run))
  // A guest may answer at greater length than a model is to read.
  const answer = { ...whole, output: cutOutput(whole.output, maxToolOutputBytes) }
  const durationMs = Date.now() - startedAt
  return finish(place, answer, deps, { rowId, durationMs, signal, replayOf })
}

interface Place {
  turn_id: string
  attempt: number
  seq: number
  call: ToolCall
  caller: ToolCaller
}

function callerOf(store: Store, turn_id: string): ToolCaller {
  const { session_id } = loadTurn(store.read, turn_id)
  const request = turnRequest.parse(JSON.parse(storedRequest(store.read, turn_id)))
  const { agent_id, authority, channel, authority_sources, authority_ceiling, threat_score } = request
  const standing = { sources: authority_sources, ceiling: authority_ceiling, threat_score }
  return { turn_id, session_id, agent_id, channel, authority, standing }
}

/** The turn's listeners are shown in full what is asked. */
function announceRequest(
  { id: request_id, turn_id, tool_name, timeout_at: expires_at }: ApprovalRow,
  { input }: WantedCall,
  { turns }: ToolStepDeps,
): void {
  const live = turns.find(turn_id ?? '')?.live
  void live?.announce({ type: 'approval_required', request_id, tool: tool_name, tool_name, input, expires_at })
}

function waiting({ id, tool_name }: ApprovalRow): Answer {
  return { status: 'awaiting_approval', output: `${tool_name} waits for an approval (request ${id}).` }
}

/** From here on the call may have taken effect. Returns the id of its row. */
function begin(
  { turn_id, attempt, seq, call, caller }: Place,
  wanted: WantedCall,
  { approval_id, uses }: { approval_id: string | null; uses: string | undefined },
  { store, bus, turns }: ToolStepDeps,
): string {
  // Together: an approval is used by the step that is on record as begun, and by no other.
  const db = uses === undefined ? store.write : store.durable
  const rowId = db.transaction(() => {
    if (uses !== undefined && !useApproval(db, uses))
      throw new RuntimeError('conflict', `approval request ${uses} has been used`)
    saveStep(db, turn_id, attempt, { kind: 'tool', seq, status: 'started', call, outcome: null })
    return openToolCall(db, auditFields(wanted), 'running', approval_id)
  })()
  announceStart({ turn_id, call, caller }, rowId, { bus, turns })
  const source = sourceOf(wanted)
  if (source.kind === 'skill')
    bus.publish('skill_activated', {
      agent_id: caller.agent_id ?? '',
      skill: source.name,
      tool_name: call.name,
      turn_id,
      session_id: caller.session_id,
      reason: 'script',
    })
  return rowId
}

function announceStart(
  { turn_id, call, caller }: Pick<Place, 'turn_id' | 'call' | 'caller'>,
  rowId: string,
  { bus, turns }: Pick<ToolStepDeps, 'bus' | 'turns'>,
): void {
  bus.publish('agent_working', { ...workplace(caller), activity: `tool:${call.name}` })
  bus.publish('tool_call_started', {
    ...named({ turn_id, call, caller }, rowId),
    input_preview: preview(call.arguments),
  })
  void turns.find(turn_id)?.live.announce({
    type: 'tool_call',
    id: rowId,
    tool_name: call.name,
    input: redactText(call.arguments),
  })
}

function named({ turn_id, call, caller }: Pick<Place, 'turn_id' | 'call' | 'caller'>, tool_call_id: string) {
  return { turn_id, session_id: caller.session_id, tool_call_id, tool: call.name, tool_name: call.name }
}

/** Stores how the call ended and says so. */
async function finish(
  { turn_id, attempt, seq, call, caller }: Place,
  { status, output }: Answer,
  { store, bus, turns }: ToolStepDeps,
  {
    rowId: begun,
    durationMs = 0,
    signal = new AbortController().signal,
    wanted,
    replayOf,
  }: {
    rowId?: string
    durationMs?: number
    signal?: AbortSignal
    wanted?: WantedCall
    replayOf?: string | undefined
  } = {},
): Promise<ToolOutcome> {
  const outcome: ToolOutcome = { status, output, duration_ms: durationMs }
  const close = store.write.transaction(() => {
    requireCurrentAttempt(store.write, turn_id, attempt)
    saveStep(store.write, turn_id, attempt, { kind: 'tool', seq, status: 'done', call, outcome })
    const rowId =
      begun ?? openToolCall(store.write, wanted ? auditFields(wanted) : refusedCall({ turn_id, seq, call, caller }))
    closeToolCall(store.write, rowId, outcome)
    return rowId
  })
  // The tool has run: an outcome that is not kept would be unknown for good.
  const rowId = await store.insist(close, storeWaitMs, signal)
  if (begun === undefined) announceStart({ turn_id, call, caller }, rowId, { bus, turns })
  const told = { status, duration_ms: durationMs, output_preview: preview(output) }
  const result = { ...named({ turn_id, call, caller }, rowId), ...told }
  bus.publish('tool_call', result)
  bus.publish('tool_call_result', result)
  bus.publish('agent_idle', workplace(caller))
  if (replayOf !== undefined) {
    const replay = { request_id: replayOf, tool: call.name, turn_id }
    if (status === 'success' || status === 'partial_success')
      bus.publish('approval_replay_succeeded', { ...replay, output: told.output_preview })
    else bus.publish('approval_replay_failed', { ...replay, error: told.output_preview })
  }
  await turns.find(turn_id)?.live.announce({ type: 'tool_result', id: rowId, tool_name: call.name, ...told })
  return outcome
}

/** What the audit keeps of a call that never came to a tool. */
function refusedCall({ turn_id, seq, call, caller }: Omit<Place, 'attempt'>) {
  const none = { plugin: null, skill_id: null, skill_name: null, skill_hash: null }
  return { turn_id, seq, tool_name: call.name, input: call.arguments, channel: caller.channel, ...none }
}

function workplace({ agent_id, session_id, turn_id }: ToolCaller) {
  return {
    agent_id: agent_id ?? '',
    workstation: 'exec' as const,
    session_id: session_id ?? undefined,
    turn_id: turn_id ?? undefined,
  }
}

/** The arguments as the tool takes them, or what is wrong with them, in words for the model. */
function parseArguments(
  { name, arguments: text }: ToolCall,
  tool: WantedCall['tool'],
): Record<string, unknown> | string {
  let raw: unknown
  try {
    raw = JSON.parse(text === '' ? '{}' : text)
  } catch {
    return `The arguments of ${name} are not JSON.`
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    return `The arguments of ${name} must be an object.`
  const parsed = tool.parse(raw as Record<string, unknown>)
  return typeof parsed === 'string' ? `The arguments of ${name} are wrong: ${parsed}` : parsed
}
