import { z } from 'zod'
import type { EventBus } from '#kernel/events/bus.ts'
import type { ToolJudge } from '#kernel/policy/judge.ts'
import { recordDecision } from '#kernel/store/policy-decisions.ts'
import type { Store } from '#kernel/store/store.ts'
import { closeToolCall, openToolCall } from '#kernel/store/tool-calls.ts'
import { findStep, saveStep } from '#kernel/store/turn-steps.ts'
import { loadTurn, requireCurrentAttempt, turnRequest as storedRequest } from '#kernel/store/turns.ts'
import { isErrorOf, RuntimeError, toRuntimeError } from '#sdk/errors.ts'
import type { ToolCall } from '#sdk/messages.ts'
import { redactText } from '#sdk/redact.ts'
import type { CallContext, Client, Params } from '#sdk/service.ts'
import type { ToolOutcome } from '#sdk/services/agent.ts'
import type { kernelForAgent } from '#sdk/services/kernel.ts'
import { type BuiltinTool, builtinTools, type toolsService } from '#sdk/services/tools.ts'
import { turnRequest } from './turn-request.ts'
import type { TurnRunner } from './turn-runner.ts'

type ToolMethod = (typeof kernelForAgent)['methods']['callTool']

/** How often an idempotent tool is run again when its process dies under it. */
const maxReruns = 5
const previewLength = 500

/** How long a step that is done waits for a database that takes no writes, in milliseconds. */
const storeWaitMs = 10_000

export interface ToolStepDeps {
  store: Store
  bus: EventBus
  tools: Client<typeof toolsService>
  judge: ToolJudge
  turns: Pick<TurnRunner, 'find'>
}

/**
 * One tool call: judged, on record before it begins, run at most once unless the tool is idempotent, and on record with
 * its outcome. A call that an earlier attempt began and never ended has the outcome `unknown`.
 */
export async function toolStep(
  { turn_id, attempt, seq, call }: Params<ToolMethod>,
  { signal }: Pick<CallContext<ToolMethod>, 'signal'>,
  deps: ToolStepDeps,
): Promise<ToolOutcome> {
  const { store, bus, turns } = deps
  requireCurrentAttempt(store.read, turn_id, attempt)
  const known = findStep(store.read, turn_id, seq)?.step
  if (known && known.kind !== 'tool')
    throw new RuntimeError('conflict', `step ${seq} of turn ${turn_id} is a ${known.kind}`)
  if (known?.outcome) return known.outcome

  const { session_id } = loadTurn(store.read, turn_id)
  const { agent_id, authority } = turnRequest.parse(JSON.parse(storedRequest(store.read, turn_id)))
  const tool = findTool(call.name)
  const interrupted = known !== undefined && !tool?.idempotent
  const rowId = store.write.transaction(() => {
    saveStep(store.write, turn_id, attempt, { kind: 'tool', seq, status: 'started', call, outcome: null })
    return openToolCall(store.write, { turn_id, seq, tool_name: call.name, input: call.arguments })
  })()
  const live = turns.find(turn_id)?.live
  const workplace = { agent_id, workstation: 'exec' as const, session_id, turn_id }
  const named = { turn_id, session_id, tool_call_id: rowId, tool: call.name, tool_name: call.name }
  bus.publish('agent_working', { ...workplace, activity: `tool:${call.name}` })
  bus.publish('tool_call_started', { ...named, input_preview: preview(call.arguments) })
  await live?.announce({ type: 'tool_call', id: rowId, tool_name: call.name, input: redactText(call.arguments) })

  const startedAt = Date.now()
  const finished = interrupted
    ? {
        status: 'unknown' as const,
        output: `${call.name} had begun when its process ended; nobody knows whether it took effect. Check before doing it again.`,
      }
    : await judgeAndRun(call, tool, { ...deps, signal, turn_id, authority })
  const outcome: ToolOutcome = { ...finished, duration_ms: Date.now() - startedAt }

  const close = store.write.transaction(() => {
    requireCurrentAttempt(store.write, turn_id, attempt)
    saveStep(store.write, turn_id, attempt, { kind: 'tool', seq, status: 'done', call, outcome })
    closeToolCall(store.write, rowId, outcome)
  })
  // The tool has run: an outcome that is not kept would be unknown for good.
  await store.insist(close, storeWaitMs, signal)
  const told = { status: outcome.status, duration_ms: outcome.duration_ms, output_preview: preview(outcome.output) }
  bus.publish('tool_call', { ...named, ...told })
  bus.publish('tool_call_result', { ...named, ...told })
  bus.publish('agent_idle', workplace)
  await live?.announce({ type: 'tool_result', id: rowId, tool_name: call.name, ...told })
  return outcome
}

function findTool(name: string): BuiltinTool | undefined {
  return Object.hasOwn(builtinTools, name) ? builtinTools[name as keyof typeof builtinTools] : undefined
}

async function judgeAndRun(
  call: ToolCall,
  tool: BuiltinTool | undefined,
  {
    store,
    tools,
    judge,
    signal,
    turn_id,
    authority,
  }: ToolStepDeps & { signal: AbortSignal; turn_id: string; authority: Parameters<ToolJudge>[0]['authority'] },
): Promise<Omit<ToolOutcome, 'duration_ms'>> {
  if (!tool) return { status: 'error', output: `There is no tool named ${call.name}.` }
  const input = parseArguments(call, tool)
  if (typeof input === 'string') return { status: 'error', output: input }
  const judgement = judge({ tool: { name: call.name, risk: tool.risk, paths: tool.paths }, input, authority })
  recordDecision(store.write, { turn_id, tool_name: call.name, authority, risk: tool.risk, ...judgement })
  if (judgement.decision === 'deny') return { status: 'denied', output: `Denied: ${judgement.reason}` }
  if (judgement.decision === 'gate')
    return {
      status: 'denied',
      output: `Denied: ${call.name} needs an operator's approval, and nobody can give it here.`,
    }

  for (let run = 0; ; run++) {
    try {
      return await tools.run({ name: call.name, input }, { signal, timeoutMs: tool.timeoutMs })
    } catch (thrown) {
      const error = toRuntimeError(thrown)
      // Whoever asked is gone or waits no longer, and how the tool ends is not known: that is for the next attempt to say.
      if (signal.aborted || error.kind === 'cancelled') throw error
      if (isErrorOf(error, 'unavailable') || (isErrorOf(error, 'outcome_unknown') && tool.idempotent)) {
        if (run < maxReruns) continue
      }
      // What takes too long may still take effect.
      const tookTooLong = error.kind === 'timeout'
      if (error.kind === 'outcome_unknown' || (tookTooLong && !tool.idempotent)) {
        const why = tookTooLong ? `${call.name} took too long` : `The process died while ${call.name} ran`
        return {
          status: 'unknown',
          output: `${why}; nobody knows whether it took effect. Check before doing it again.`,
        }
      }
      return { status: 'error', output: `${call.name} failed: ${error.message}` }
    }
  }
}

/** The arguments by the tool's own schema, or what is wrong with them, in words for the model. */
function parseArguments({ name, arguments: text }: ToolCall, tool: BuiltinTool): Record<string, unknown> | string {
  let raw: unknown
  try {
    raw = JSON.parse(text === '' ? '{}' : text)
  } catch {
    return `The arguments of ${name} are not JSON.`
  }
  const parsed = tool.input.safeParse(raw)
  return parsed.success ? parsed.data : `The arguments of ${name} are wrong: ${z.prettifyError(parsed.error)}`
}

function preview(text: string): string {
  return redactText(text.slice(0, previewLength))
}
