import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { RuntimeError } from '#sdk/errors.ts'
import { openInside, resolveInside } from '#sdk/path-root.ts'
import type { ScriptOutcome, ScriptRun, ToolSettings } from '#sdk/services/tools.ts'
import { availableConfinement, type Bounds, type Confinement, confined } from './confinement.ts'
import { interpreterOf } from './interpreter.ts'
import { Limits } from './limits.ts'
import { KeptOutput } from './output.ts'

const maxScriptBytes = 4 * 1_048_576
const writableByAll = 0o002
/** What every program needs to know of the machine. */
const passedOn = ['PATH', 'LANG', 'LC_ALL', 'TZ', 'TERM'] as const
/** From the word to stop until the signal that can not be ignored, in milliseconds. */
const graceMs = 300

export interface ScriptContext {
  settings: ToolSettings
  signal: AbortSignal
  onLine?: ((line: string) => void) | undefined
}

/** Runs a script of a folder in walls of its own, and leaves no process behind. */
export async function runScript(wanted: ScriptRun, context: ScriptContext): Promise<ScriptOutcome> {
  const { settings } = context
  const { path, bytes } = await readScript(wanted)
  const { path: program, args } = interpreterOf(wanted.script, bytes, settings.scripts.allowed_interpreters)
  return runCommand([program, ...args, path, ...wanted.args], wanted, { ...context, cwd: dirname(path) })
}

/** Runs a program of the machine, exactly as given: nothing of it is read by a shell. */
export async function runCommand(
  command: readonly string[],
  { root, stdin, env, timeout_ms, network }: Pick<ScriptRun, 'root' | 'stdin' | 'env' | 'timeout_ms' | 'network'>,
  { settings: { scripts, workspace, home }, signal, onLine, cwd }: ScriptContext & { cwd: string },
): Promise<ScriptOutcome> {
  const confinement: Confinement = scripts.confined ? await availableConfinement() : 'none'
  const scratch = await mkdtemp(join(tmpdir(), 'keel-script-'))
  const bounds: Bounds = {
    readable: [root],
    writable: [workspace, ...scripts.writable_paths, scratch],
    hidden: [home],
    network: network && scripts.network,
    cwd,
  }
  const [file = '', ...args] = confined(confinement, command, bounds) ?? command
  const limits = new Limits(scripts, Math.min(timeout_ms ?? scripts.timeout_ms, scripts.timeout_ms))
  const stdout = new KeptOutput(scripts.output_bytes, onLine)
  const stderr = new KeptOutput(scripts.output_bytes)
  // Compiled code that lies beside a script is in no digest: Python neither reads nor writes it.
  const own = { HOME: scratch, TMPDIR: scratch, PYTHONPYCACHEPREFIX: join(scratch, 'pycache') }
  const startedAt = performance.now()
  try {
    const child = spawn(file, args, {
      cwd,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...environment(scripts.clear_env), ...env, ...own },
    })
    const end = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
      child.once('error', (cause) =>
        reject(new RuntimeError('invalid', 'SCRIPT_SPAWN_FAILED: it could not be started', undefined, { cause })),
      )
      child.once('close', (code, killedBy) => resolve({ code, signal: killedBy }))
    })
    const over = (stream: KeptOutput) => (chunk: Buffer) => {
      if (!stream.add(chunk)) limits.reach('output_limit')
    }
    child.stdout.on('data', over(stdout))
    child.stderr.on('data', over(stderr))
    // A script that does not read its input closes it: that is no failure.
    child.stdin.on('error', () => {})
    child.stdin.end(stdin)
    const stop = () => void endGroup(child.pid)
    limits.watch(child.pid, stop)
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    try {
      const { code, signal: killedBy } = await end
      if (signal.aborted) throw new RuntimeError('cancelled')
      return {
        status: limits.reached ?? (killedBy === null ? 'exited' : 'signalled'),
        exit_code: code,
        signal: killedBy,
        stdout: stdout.text(),
        stderr: stderr.text(),
        duration_ms: performance.now() - startedAt,
        confinement,
      }
    } finally {
      limits.close()
      signal.removeEventListener('abort', stop)
      // What it has left running in its group has no one to answer to.
      kill(child.pid, 'SIGKILL')
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function readScript({ root, script, sha256 }: ScriptRun): Promise<{ path: string; bytes: Buffer }> {
  const refuse = (reason: string, cause?: unknown) =>
    new RuntimeError('invalid', `SCRIPT_PATH_INVALID: ${reason}`, undefined, { cause })
  const { base, real } = await resolveInside(root, script).catch((cause) => {
    throw refuse(`${script} is not inside its folder`, cause)
  })
  if (real !== join(base, script)) throw refuse(`${script} is a link`)
  await using handle = await openInside(root, script, 'read').catch((cause) => {
    throw refuse(`${script} can not be opened`, cause)
  })
  const stats = await handle.stat()
  if (stats.size > maxScriptBytes) throw refuse(`${script} has more than ${maxScriptBytes} bytes`)
  if ((stats.mode & writableByAll) !== 0) throw refuse(`everybody may write to ${script}`)
  const bytes = await handle.readFile()
  if (sha256 !== null && createHash('sha256').update(bytes).digest('hex') !== sha256)
    throw refuse(`${script} is not what was allowed to run`)
  return { path: real, bytes }
}

function environment(cleared: boolean): NodeJS.ProcessEnv {
  // The service itself has only what the kernel lets its children have.
  if (!cleared) return { ...process.env }
  return Object.fromEntries(
    passedOn.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}

async function endGroup(pid: number | undefined): Promise<void> {
  kill(pid, 'SIGTERM')
  setTimeout(() => kill(pid, 'SIGKILL'), graceMs)
}

/** The whole group; one that is gone is no failure. */
function kill(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown
  }
}
