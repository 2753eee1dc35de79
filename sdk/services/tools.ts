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
  /** Absolute folders outside the workspace that tools may use. */
  allowed_paths: z.array(z.string()),
  /** Texts that no path may contain, compared without case. */
  protected_patterns: z.array(z.string()),
  /** Hosts (`name` or `name:port`) that may be fetched though their address is private. */
  allowed_hosts: z.array(z.string()),
})
export type ToolSettings = z.infer<typeof toolSettings>

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
  configure: method({ params: toolSettings, result: z.null(), timeoutMs: 5_000, retry: 'safe' }),
})
