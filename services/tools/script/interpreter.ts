import { extname } from 'node:path'
import { RuntimeError } from '#sdk/errors.ts'
import { findProgram } from '#sdk/find-program.ts'

const byExtension: Record<string, string> = {
  '.sh': 'bash',
  '.bash': 'bash',
  '.py': 'python3',
  '.js': 'node',
  '.mjs': 'node',
  '.cjs': 'node',
}
/** `sh` is what bash does as well, `python` what python3 is called in old lines. */
const sameAs: Record<string, string> = { sh: 'bash', python: 'python3' }
const maxShebangLength = 256

export interface Interpreter {
  /** Absolute. */
  path: string
  args: string[]
}

/** Who runs a script: by its first line, else by its name; `invalid` with `SCRIPT_INTERPRETER_DENIED` when it may not. */
export function interpreterOf(script: string, bytes: Buffer, allowed: readonly string[]): Interpreter {
  const { name, args } = shebangOf(bytes) ?? { name: byExtension[extname(script).toLowerCase()], args: [] }
  if (name === undefined) throw denied(`${script} has no first line that names its interpreter, and no known extension`)
  const known = sameAs[name] ?? name
  if (!allowed.includes(known) && !allowed.includes(name))
    throw denied(`${name} is none of the allowed interpreters (${allowed.join(', ')})`)
  // Keel's own, whatever the machine has.
  if (known === 'node') return { path: process.execPath, args }
  const path = findProgram(name) ?? findProgram(known)
  if (path === undefined) throw denied(`${name} is not installed`)
  return { path, args }
}

function shebangOf(bytes: Buffer): { name: string; args: string[] } | undefined {
  if (bytes.toString('latin1', 0, 2) !== '#!') return undefined
  const end = bytes.subarray(0, maxShebangLength).indexOf(0x0a)
  const line = bytes.toString('utf8', 2, end < 0 ? Math.min(bytes.length, maxShebangLength) : end).trim()
  const [path = '', ...rest] = line.split(/\s+/)
  const viaEnv = path.endsWith('/env')
  const [name = '', ...args] = viaEnv ? rest : [path.slice(path.lastIndexOf('/') + 1), ...rest]
  // `env -S` and its like would let the line name any program with any arguments.
  if (
    !/^[a-z][a-z0-9.]{0,31}$/.test(name) ||
    !args.every((arg) => /^-[a-zA-Z]{1,8}$/.test(arg)) ||
    (viaEnv && args.length > 0)
  )
    throw denied(`the first line "${line.slice(0, 80)}" is more than an interpreter and single letters`)
  return { name: name.replace(/^python3\.\d+$/, 'python3'), args }
}

function denied(reason: string): RuntimeError {
  return new RuntimeError('invalid', `SCRIPT_INTERPRETER_DENIED: ${reason}`)
}
