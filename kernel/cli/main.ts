import { interruptedExitCode, runCli } from './run-cli.ts'

/** How long output may take to be read after the last command, in milliseconds. */
const lingerMs = 2_000

const interrupted = new AbortController()
// The first Ctrl-C ends what goes on, as the command sees fit; the second does not wait for it.
process.on('SIGINT', () => {
  if (interrupted.signal.aborted) process.exit(interruptedExitCode)
  interrupted.abort()
})

// Whoever reads has seen enough, as in `keel logs | head`.
process.stdout.on('error', (err: NodeJS.ErrnoException) => {
  if (err.code !== 'EPIPE') throw err
  process.exit()
})

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interrupted.signal,
})
// A kept-alive connection or an open stdin must not keep a finished command waiting.
setTimeout(() => process.exit(), lingerMs).unref()
process.stdin.unref?.()
