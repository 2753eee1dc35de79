import { z } from 'zod'
import { method, service } from '../service.ts'

export const riskLevel = z.enum(['Safe', 'Caution', 'Dangerous', 'Forbidden'])
export type RiskLevel = z.infer<typeof riskLevel>

export interface BuiltinTool<I extends z.ZodObject = z.ZodObject> {
  description: string
  input: I
  risk: RiskLevel
  /** Running it twice does no harm, so it may be run again when nobody knows whether it ran. */
  idempotent: boolean
  /** Which of its parameters are paths, for the policy. */
  paths: readonly string[]
  timeoutMs: number
}

function tool<I extends z.ZodObject>(
  declared: BuiltinTool<I> & { paths: readonly (keyof I['shape'] & string)[] },
): BuiltinTool<I> {
  return declared
}

const path = z.string().min(1).max(4096)

/** The hands every agent has. Paths are relative to the workspace. */
export const builtinTools = {
  echo: tool({
    description: 'Repeats the message. Useful to check that tools work.',
    input: z.object({ message: z.string().max(16_384) }),
    risk: 'Safe',
    idempotent: true,
    paths: [],
    timeoutMs: 5_000,
  }),
  read_file: tool({
    description: 'Reads a text file of the workspace, at most 1 MiB.',
    input: z.object({ path }),
    risk: 'Caution',
    idempotent: true,
    paths: ['path'],
    timeoutMs: 10_000,
  }),
  write_file: tool({
    description:
      'Writes a text file of the workspace, creating its folders; replaces what was there unless append is true.',
    input: z.object({ path, content: z.string().max(1_048_576), append: z.boolean().optional() }),
    risk: 'Caution',
    idempotent: false,
    paths: ['path'],
    timeoutMs: 10_000,
  }),
  edit_file: tool({
    description: 'Replaces an exact text in a file of the workspace; it must occur once unless replace_all is true.',
    input: z.object({ path, old_text: z.string().min(1), new_text: z.string(), replace_all: z.boolean().optional() }),
    risk: 'Caution',
    idempotent: false,
    paths: ['path'],
    timeoutMs: 10_000,
  }),
  list_directory: tool({
    description: 'Lists a folder of the workspace.',
    input: z.object({ path: path.optional() }),
    risk: 'Caution',
    idempotent: true,
    paths: ['path'],
    timeoutMs: 10_000,
  }),
  glob_files: tool({
    description: 'Finds files of the workspace whose path matches a glob pattern.',
    input: z.object({
      pattern: z.string().min(1).max(512),
      path: path.optional(),
      limit: z.number().int().min(1).max(500).optional(),
    }),
    risk: 'Caution',
    idempotent: true,
    paths: ['path'],
    timeoutMs: 20_000,
  }),
  search_files: tool({
    description: 'Finds lines that contain a text in the files of the workspace.',
    input: z.object({
      query: z.string().min(1).max(512),
      path: path.optional(),
      limit: z.number().int().min(1).max(100).optional(),
      case_sensitive: z.boolean().optional(),
    }),
    risk: 'Caution',
    idempotent: true,
    paths: ['path'],
    timeoutMs: 30_000,
  }),
  bash: tool({
    description:
      'Runs a command with bash in the workspace and returns what it prints. It sees no secrets and, unless allowed, no network.',
    input: z.object({
      command: z.string().min(1).max(32_768),
      cwd: path.optional(),
      timeout_seconds: z.number().int().min(1).max(120).optional(),
    }),
    risk: 'Dangerous',
    idempotent: false,
    paths: ['cwd'],
    timeoutMs: 125_000,
  }),
  http_get: tool({
    description: 'Fetches a page or file from the public internet over http or https and returns its text.',
    input: z.object({ url: z.string().min(1).max(4096), max_bytes: z.number().int().min(1).max(1_048_576).optional() }),
    risk: 'Caution',
    idempotent: true,
    paths: [],
    timeoutMs: 30_000,
  }),
} as const

export type BuiltinToolName = keyof typeof builtinTools

export const toolSettings = z.object({
  workspace: z.string(),
  /** Keel's own folder: no script sees it, but for what is bound into it. */
  home: z.string(),
  /** Absolute folders outside the workspace that tools may use. */
  allowed_paths: z.array(z.string()),
  /** Texts that no path may contain, compared without case. */
  protected_patterns: z.array(z.string()),
  /** Hosts (`name` or `name:port`) that may be fetched though their address is private. */
  allowed_hosts: z.array(z.string()),
  scripts: z.object({
    allowed_interpreters: z.array(z.string()),
    /** The environment is cleared but for what every program needs. */
    clear_env: z.boolean(),
    /** Confined in what they see of the files, where the machine has the means. */
    confined: z.boolean(),
    network: z.boolean(),
    timeout_ms: z.number().int().positive(),
    /** Of each of stdout and stderr. */
    output_bytes: z.number().int().positive(),
    /** Resident, of all its processes together. */
    memory_bytes: z.number().int().positive(),
    /** Absolute folders, beside the workspace, that scripts may write to. */
    writable_paths: z.array(z.string()),
  }),
})
export type ToolSettings = z.infer<typeof toolSettings>

const maxScriptArgs = 64
const maxScriptArgLength = 4_096
const maxScriptInputBytes = 1_048_576

/** One run of a script that its caller has already been allowed. */
export const scriptRun = z.object({
  /** Absolute: the folder that the script may not leave. */
  root: z.string(),
  /** From the root on. */
  script: z.string().min(1).max(4_096),
  /** Of the script's bytes, lower-case hex; another content is refused. null: whatever lies there. */
  sha256: z.string().nullable(),
  args: z.array(z.string().max(maxScriptArgLength)).max(maxScriptArgs),
  /** For its standard input, which is then closed. */
  stdin: z.string().max(maxScriptInputBytes),
  /** Beside the cleared environment; their names begin with `KEEL_`. */
  env: z.record(z.string().regex(/^KEEL_[A-Z_]{1,40}$/), z.string()),
  /** Less than the settings allow, or null for these. */
  timeout_ms: z.number().int().positive().nullable(),
  network: z.boolean(),
})
export type ScriptRun = z.infer<typeof scriptRun>

export const scriptOutcome = z.object({
  status: z.enum(['exited', 'timeout', 'output_limit', 'memory_limit', 'process_limit', 'signalled']),
  exit_code: z.number().int().nullable(),
  signal: z.string().nullable(),
  stdout: z.string(),
  stderr: z.string(),
  duration_ms: z.number(),
  /** What kept it in: see the operation manual. */
  confinement: z.enum(['bubblewrap', 'namespaces', 'none']),
})
export type ScriptOutcome = z.infer<typeof scriptOutcome>

const maxFetchBodyBytes = 1_048_576

export const fetchRequest = z.object({
  url: z.string().min(1).max(4_096),
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']),
  headers: z.record(z.string(), z.string()),
  body: z.string().max(maxFetchBodyBytes).nullable(),
  max_bytes: z
    .number()
    .int()
    .min(1)
    .max(4 * 1_048_576),
  timeout_ms: z.number().int().min(1).max(120_000),
  /** Nothing else is visited, redirects included. */
  only_hosts: z.array(z.string()),
  /** Hosts that may be fetched though their address is private, beside those of the settings. */
  allowed_hosts: z.array(z.string()),
})
export type FetchRequest = z.infer<typeof fetchRequest>

export const fetchAnswer = z.object({
  status: z.number().int(),
  /** After redirects. */
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
  /** There was more than `max_bytes`. */
  truncated: z.boolean(),
})

/** The longest output that goes back to a model, in bytes. */
export const maxToolOutputBytes = 16_384

/** The hands: they do what the kernel has already judged. */
export const toolsService = service('tools', {
  /** Runs a tool once. Its input has been parsed; its output is cut at `maxToolOutputBytes`. */
  run: method({
    params: z.object({ name: z.string(), input: z.record(z.string(), z.unknown()) }),
    result: z.object({ status: z.enum(['success', 'partial_success', 'error']), output: z.string() }),
    timeoutMs: 125_000,
    retry: 'never',
  }),
  /** `invalid` with one of the codes of scripts at its front when it can not be run at all. */
  runScript: method({
    params: scriptRun,
    chunk: z.object({ line: z.string() }),
    result: scriptOutcome,
    timeoutMs: 3_700_000,
    retry: 'never',
  }),
  /** Through the egress guard, for guests. Errors of the kind that it throws. */
  fetch: method({ params: fetchRequest, result: fetchAnswer, timeoutMs: 125_000, retry: 'never' }),
  configure: method({ params: toolSettings, result: z.null(), timeoutMs: 5_000, retry: 'safe' }),
})
