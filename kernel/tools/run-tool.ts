import { isErrorOf, toRuntimeError } from '#sdk/errors.ts'
import type { Tool, ToolAnswer, ToolRun } from './tool.ts'

/** How often an idempotent tool is run again when its process dies under it. */
const maxReruns = 5

/** Runs what the gate has let through: at most once, unless the tool is idempotent. What goes wrong is an answer. */
export async function runTool(tool: Tool, input: Record<string, unknown>, run: ToolRun): Promise<ToolAnswer> {
  for (let reruns = 0; ; reruns++) {
    try {
      return await tool.run(input, run)
    } catch (thrown) {
      const error = toRuntimeError(thrown)
      // Whoever asked is gone or waits no longer, and how the tool ends is not known: that is for the next attempt to say.
      if (run.signal.aborted || error.kind === 'cancelled') throw error
      if (isErrorOf(error, 'unavailable') || (isErrorOf(error, 'outcome_unknown') && tool.idempotent)) {
        if (reruns < maxReruns) continue
      }
      // What takes too long may still take effect.
      const tookTooLong = error.kind === 'timeout'
      if (error.kind === 'outcome_unknown' || (tookTooLong && !tool.idempotent)) {
        const why = tookTooLong ? `${tool.name} took too long` : `The process died while ${tool.name} ran`
        return {
          status: 'unknown',
          output: `${why}; nobody knows whether it took effect. Check before doing it again.`,
        }
      }
      return { status: 'error', output: `${tool.name} failed: ${error.message}` }
    }
  }
}

/** Of a call that had begun when its process ended. */
export function cutOffText(toolName: string): string {
  return `${toolName} had begun when its process ended; nobody knows whether it took effect. Check before doing it again.`
}
