import type { Logger } from 'pino'
import { z } from 'zod'
import { cutOutput } from '#sdk/cut-output.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { type BuiltinToolName, builtinTools, maxToolOutputBytes, type ToolSettings } from '#sdk/services/tools.ts'
import type { ToolAnswer, ToolContext, ToolHandlers } from './tool.ts'

export interface ToolCall {
  name: string
  input: Record<string, unknown>
}

/**
 * Runs a tool once. What goes wrong is an answer for the model. An error is for callers that cancel, and `timeout` for a
 * tool that may yet take effect though nobody waits for it any more.
 */
export async function runTool(
  { name, input }: ToolCall,
  handlers: ToolHandlers<typeof builtinTools>,
  { settings, signal, log }: { settings: ToolSettings; signal: AbortSignal; log: Logger },
): Promise<ToolAnswer> {
  if (!isToolName(name)) return { status: 'error', output: `There is no tool named ${name}.` }
  const { timeoutMs, idempotent } = builtinTools[name]
  const deadline = AbortSignal.timeout(timeoutMs)
  try {
    const answer = await untilAborted(AbortSignal.any([signal, deadline]), (bounded) =>
      callHandler(handlers, name, input, { settings, signal: bounded }),
    )
    const { status, output }: ToolAnswer = typeof answer === 'string' ? { status: 'success', output: answer } : answer
    return { status, output: cutOutput(output, maxToolOutputBytes) }
  } catch (cause) {
    if (signal.aborted) throw new RuntimeError('cancelled', undefined, undefined, { cause })
    if (deadline.aborted) {
      const output = `${name} did not finish within ${timeoutMs / 1000} s.`
      if (!idempotent) throw new RuntimeError('timeout', output, undefined, { cause })
      return { status: 'error', output }
    }
    if (cause instanceof RuntimeError && cause.kind !== 'internal') {
      return { status: 'error', output: cutOutput(`${name} failed: ${cause.message}`, maxToolOutputBytes) }
    }
    log.error({ err: cause, tool: name }, 'a tool failed unexpectedly')
    return { status: 'error', output: `${name} failed for a reason that it did not expect; the log has the details.` }
  }
}

function isToolName(name: string): name is BuiltinToolName {
  return Object.hasOwn(builtinTools, name)
}

function callHandler(
  handlers: ToolHandlers<typeof builtinTools>,
  name: BuiltinToolName,
  input: Record<string, unknown>,
  context: ToolContext,
): string | ToolAnswer | Promise<string | ToolAnswer> {
  const parsed = builtinTools[name].input.safeParse(input)
  if (!parsed.success)
    return { status: 'error', output: `The input of ${name} is wrong: ${z.prettifyError(parsed.error)}` }
  // The table gives schema and handler the same name, which the compiler can not follow through a union.
  const handler = handlers[name] as (parsed: unknown, context: ToolContext) => ReturnType<typeof callHandler>
  return handler(parsed.data, context)
}

/** Ends with the signal, also when the work does not heed it. */
async function untilAborted<T>(signal: AbortSignal, work: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
  signal.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work(signal), promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
