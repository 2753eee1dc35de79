import { inSpan } from '#sdk/telemetry/tracing.ts'
import { sourceOf, type WantedCall } from './gate.ts'
import type { ToolAnswer } from './tool.ts'

/** A tool at work as a span, by the conventions for generative models. `callId` is whoever's name for the call asked for it. */
export function tracedTool(wanted: WantedCall, callId: string, run: () => Promise<ToolAnswer>): Promise<ToolAnswer> {
  const { tool, input, caller } = wanted
  const attributes = {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': tool.name,
    'gen_ai.tool.type': 'function',
    'gen_ai.tool.call.id': callId,
    'gen_ai.conversation.id': caller.session_id ?? undefined,
    'keel.turn.id': caller.turn_id ?? undefined,
    'keel.tool.source': sourceOf(wanted).kind,
    'keel.channel': caller.channel,
  }
  return inSpan(`execute_tool ${tool.name}`, { attributes }, async (span) => {
    span?.setContent('gen_ai.tool.call.arguments', () => JSON.stringify(input))
    const answer = await run()
    span?.set({ 'keel.tool.status': answer.status }).setContent('gen_ai.tool.call.result', () => answer.output)
    if (answer.status === 'error' || answer.status === 'unknown') span?.failAs(answer.status)
    return answer
  })
}
