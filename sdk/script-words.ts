import type { ScriptOutcome } from './services/tools.ts'

/** How a run of a script is told to a model: what it printed, or a code and why there is no more. */
export function scriptAnswer(outcome: ScriptOutcome): { status: 'success' | 'error'; output: string } {
  const { status, exit_code, signal, stdout, stderr, duration_ms } = outcome
  const printed = [stdout.trimEnd(), stderr.trim() === '' ? '' : `[stderr]\n${stderr.trimEnd()}`]
    .filter(Boolean)
    .join('\n')
  const failed = (code: string, why: string) => ({
    status: 'error' as const,
    output: `${code}: ${why}${printed === '' ? '' : `\n${printed}`}`,
  })
  switch (status) {
    case 'exited':
      if (exit_code === 0) return { status: 'success', output: printed === '' ? '(no output)' : printed }
      return failed('SCRIPT_EXIT_NONZERO', `it ended with code ${exit_code}`)
    case 'timeout':
      return failed('SCRIPT_TIMEOUT', `it was ended after ${Math.round(duration_ms / 100) / 10} s`)
    case 'output_limit':
      return failed('SCRIPT_RUNTIME_ERROR', 'it was ended because it wrote too much')
    case 'memory_limit':
      return failed('SCRIPT_RUNTIME_ERROR', 'it was ended because it needed too much memory')
    case 'process_limit':
      return failed('SCRIPT_RUNTIME_ERROR', 'it was ended because it started too many processes')
    case 'signalled':
      return failed('SCRIPT_RUNTIME_ERROR', `it was ended by ${signal}`)
  }
}
