import { CommanderError } from 'commander'
import type { StartKernel } from '../handover/local-kernel.ts'
import { terminalText } from '../logs/terminal-text.ts'
import type { CliIo } from './cli-io.ts'
import { exitCodeOf, failureText } from './failure.ts'
import { buildProgram } from './program.ts'

/** The kernel is loaded by `start` alone: every other command is quicker without it. */
async function loadAndStart(options: Parameters<StartKernel>[0]) {
  const { startKernel } = await import('../main.ts')
  return startKernel(options)
}

/** What a shell expects of a command that Ctrl-C has ended. */
export const interruptedExitCode = 130

/** Runs one command line and returns the exit code; what went wrong is one sentence on stderr. */
export async function runCli(
  argv: readonly string[],
  io: CliIo,
  startKernel: StartKernel = loadAndStart,
): Promise<number> {
  let exitCode = 0
  const program = buildProgram({
    io,
    startKernel,
    onExitCode: (code) => {
      exitCode = code
    },
  })
  try {
    await program.parseAsync(argv, { from: 'user' })
    return exitCode
  } catch (thrown) {
    // Commander has already said what is wrong, or printed the help that was asked for.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 1
    if (io.signal.aborted) return interruptedExitCode
    const text = failureText(thrown)
    const json = argv.includes('--json')
    io.stderr.write(json ? `${JSON.stringify({ error: text })}\n` : `${terminalText(text)}\n`)
    return exitCodeOf(thrown)
  }
}
