import { runCli } from './run-cli.ts'

/** How long output may take to be read after the last command, in milliseconds. */
const lingerMs = 2_000

const interrupted = new AbortController()
// `start` and `chat` have their own ideas of what Ctrl-C means; everywhere else it ends what goes on.
process.on('SIGINT', () => interrupted.abort())

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
