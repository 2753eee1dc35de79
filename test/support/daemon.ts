import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createClient } from '#sdk/http-client.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const startDeadlineMs = 15_000
const stopDeadlineMs = 15_000

export interface DaemonOptions {
  /** `npm`: by the README's own words. `node`: the same command without npm in between. */
  command?: 'npm' | 'node'
  /** Written to keel.toml before the first start. */
  config?: string
  env?: Record<string, string>
  /** A home that is there already; it is then left in place. */
  home?: string
  /** Stands before the command line, such as `unshare`; it must become the command by `exec`. */
  before?: readonly string[]
  /** Where Keel is installed; this repository unless told. */
  install?: string
  /** In a process group of its own, as a shell does it; the group's number is the pid. */
  ownGroup?: boolean
}

export interface Daemon {
  url: string
  home: string
  apiKey: string
  client: ReturnType<typeof createClient>
  /** The kernel's process. */
  pid: number
  /** Everything written to stdout and stderr so far. */
  output(): string
  fetch(path: string, init?: RequestInit): Promise<Response>
  /** The exit code of the process that was started, or the signal that ended it. */
  ended: Promise<number | NodeJS.Signals | null>
  /** Sends a signal to the kernel and waits for the end; returns the exit code, or the signal that ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals | null>
  /** Stops it if it runs, and removes a home of its own. */
  dispose(): Promise<void>
}

/** A real Keel in a fresh home on a free port. */
export async function startDaemon({
  command = 'node',
  config,
  env = {},
  home: given,
  before = [],
  install = root,
  ownGroup = false,
}: DaemonOptions = {}): Promise<Daemon> {
  const home = given ?? mkdtempSync(join(tmpdir(), 'keel-home-'))
  if (config !== undefined) writeFileSync(join(home, 'keel.toml'), config)
  const { KEEL_API_KEY: _key, KEEL_HOST: _host, ...inherited } = process.env
  const line = command === 'npm' ? ['npm', 'start'] : [process.execPath, 'kernel/cli/keel.mjs', 'start']
  const [file = '', ...args] = [...before, ...line]
  const child = spawn(file, args, {
    cwd: install,
    detached: ownGroup,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...inherited, KEEL_HOME: home, KEEL_PORT: '0', ...env },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const url = await announcedUrl(child, () => output)
  const apiKey = env.KEEL_API_KEY ?? readFileSync(join(home, 'api.key'), 'utf8').trim()
  const pid = Number(readFileSync(join(home, 'run', 'keel.pid'), 'utf8'))
  const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals | null)

  async function stop(signal: NodeJS.Signals = 'SIGTERM') {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? child.signalCode
    process.kill(pid, signal)
    const late = delay(stopDeadlineMs, 'late' as const, { ref: false })
    if ((await Promise.race([ended, late])) === 'late') throw new Error(`Keel did not stop:\n${output}`)
    return child.exitCode ?? child.signalCode
  }

  return {
    url,
    home,
    apiKey,
    pid,
    client: createClient({ url, apiKey }),
    output: () => output,
    ended,
    fetch: (path, init = {}) => fetch(url + path, { ...init, headers: { 'x-api-key': apiKey, ...init.headers } }),
    stop,
    async dispose() {
      await stop('SIGKILL')
      if (given === undefined) rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}

async function announcedUrl(child: ChildProcess, output: () => string): Promise<string> {
  const until = Date.now() + startDeadlineMs
  while (Date.now() < until) {
    const url = /Address\s+(http:\/\/\S+)/.exec(output())?.[1]
    if (url) return url
    if (child.exitCode !== null) break
    await delay(20)
  }
  child.kill('SIGKILL')
  throw new Error(`Keel did not start:\n${output()}`)
}

/** Whether a process is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Asks again until the answer is true; throws when it is not within the deadline. */
export async function eventually(
  what: string,
  check: () => boolean | Promise<boolean>,
  deadlineMs = 5_000,
): Promise<void> {
  const until = Date.now() + deadlineMs
  while (!(await check())) {
    if (Date.now() > until) throw new Error(`${what}: not within ${deadlineMs} ms`)
    await delay(25)
  }
}

/**
 * keel.toml for a scripted upstream that speaks OpenAI's protocol under the name `mock`, as the primary. Unless `more` has
 * settings of the memory, the model is asked what the test asks it and nothing about what to remember.
 */
export function upstreamConfig(url: string, more = ''): string {
  const memory = /^\[memory\]/m.test(more) ? '' : '[memory]\nextract_by_model = false\n'
  return `${memory}
[models]
primary = "mock/test-model"

[models.routing]
mode = "primary"

[providers.mock]
url = "${url}"
format = "openai"
is_local = true
models = ["test-model"]

${more}`
}
