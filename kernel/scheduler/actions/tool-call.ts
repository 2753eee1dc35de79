import { beginOnce } from '#kernel/store/cron-runs.ts'
import { callTool } from '#kernel/tools/call-tool.ts'
import { cutOffText } from '#kernel/tools/run-tool.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { type ActionDeps, type Attempt, authorityOf, type PayloadOf } from './action.ts'

/** A tool by the same gate as everywhere. One that may not run twice runs in one attempt alone, however that ended. */
export async function toolCall(
  { tool: name, input: given }: PayloadOf<'tool_call'>,
  { run, job, signal }: Attempt,
  { store, bus, judge, approvals, toolbox }: ActionDeps,
): Promise<string> {
  const tool = toolbox().find(name)
  // A plugin's tool may be there again when its plugin is.
  if (!tool) throw new RuntimeError('unavailable', `there is no tool named ${name}`)
  const input = tool.parse(given)
  if (typeof input === 'string') throw new RuntimeError('invalid', `payload_json.input: ${input}`)
  if (!tool.idempotent && !beginOnce(store.durable, run.id)) throw new RuntimeError('outcome_unknown', cutOffText(name))
  const caller = {
    turn_id: null,
    session_id: null,
    agent_id: job.agent_id,
    channel: 'cron',
    authority: authorityOf(job),
    standing: { sources: ['cron'], ceiling: null, threat_score: 0 },
  }
  const result = await callTool({ tool, input, caller }, signal, { store, bus, judge, approvals })
  if (result.kind === 'awaiting_approval')
    throw new RuntimeError('forbidden', `waits for approval ${result.approval.id}`)
  if (result.kind === 'denied') throw new RuntimeError('forbidden', `denied: ${result.reason}`)
  const { status, output } = result.answer
  if (status === 'unknown') throw new RuntimeError('outcome_unknown', output)
  if (status === 'error') throw new RuntimeError(tool.idempotent ? 'upstream_failed' : 'unprocessable', output)
  return output
}
