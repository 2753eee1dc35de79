import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const endDeadlineMs = 20_000

export interface Ended {
  code: number | null
  /** Everything written to stderr and stdout. */
  output: string
  /** What is no line of the log. */
  sentences: string[]
}

interface RunOptions {
  home: string
  env?: Record<string, string>
  /** Stands before the command line. */
  before?: readonly string[]
  /** Where it is typed; the repository unless told. */
  cwd?: string
}

/** Runs one `keel` command in a process of its own, to its end. */
export function runKeel(
  args: readonly string[],
  { home, env = {}, before = [], cwd = root }: RunOptions,
): Promise<Ended> {
  const [file = '', ...rest] = [...before, process.execPath, `${root}kernel/cli/keel.mjs`, ...args]
  const { KEEL_API_KEY: _key, KEEL_HOST: _host, ...inherited } = process.env
  const child = spawn(file, rest, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: endDeadlineMs,
    killSignal: 'SIGKILL',
    env: { ...inherited, KEEL_HOME: home, KEEL_PORT: '0', ...env },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      const sentences = output.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('{'))
      resolve({ code, output, sentences })
    })
  })
}
