import { z } from 'zod'
import { method, service } from '../service.ts'

const kibibyte = 1024
const mebibyte = 1024 * kibibyte

/** What a guest may be given at most; the kernel gives each call its own limits within these. */
export const sandboxBounds = {
  wallMs: 300_000,
  cpuMs: 60_000,
  /** V8 can not start an isolate with less than the first. */
  leastMemoryBytes: 16 * mebibyte,
  memoryBytes: 128 * mebibyte,
  hostCalls: 1_000,
  outputBytes: mebibyte,
} as const

/** Of one plugin's own modules, in characters of JavaScript, and their number. */
export const maxModuleChars = mebibyte
export const maxModules = 200
/** What one tool may be told, and what one host function may be told or answer, in characters of JSON. */
export const maxGuestJsonChars = mebibyte
export const maxGuestTools = 100
export const maxSchemaChars = 64 * kibibyte
export const maxDescriptionChars = 4 * kibibyte
export const maxProgressChars = 500
export const maxHostNames = 64

/** Names one version of a plugin: its name, and a digest over everything it consists of. */
export const guestPlugin = z.object({ plugin: z.string().min(1).max(128), digest: z.string().min(1).max(128) })
export type GuestPlugin = z.infer<typeof guestPlugin>

export const guestLimits = z.object({
  /** From the moment the call is given to the guest to its answer. */
  wall_ms: z.number().int().min(1).max(sandboxBounds.wallMs),
  /** Of work in the guest itself, its waiting for host functions left out. */
  cpu_ms: z.number().int().min(1).max(sandboxBounds.cpuMs),
  memory_bytes: z.number().int().min(sandboxBounds.leastMemoryBytes).max(sandboxBounds.memoryBytes),
  host_calls: z.number().int().min(0).max(sandboxBounds.hostCalls),
  /** Of the answer, in bytes of UTF-8. */
  output_bytes: z.number().int().min(1).max(sandboxBounds.outputBytes),
})
export type GuestLimits = z.infer<typeof guestLimits>

export const guestCall = guestPlugin.extend({
  /** Goes with every host function that the call uses, and is the kernel's to choose. */
  call_id: z.string().min(1).max(128),
  tool: z.string().min(1).max(64),
  input: z.record(z.string(), z.unknown()),
  settings: z.record(z.string(), z.unknown()),
  /** The host functions that were granted: `http.fetch`, `kv.get`, `secrets.API_KEY` … */
  host: z.array(z.string().regex(/^[a-z]{1,32}\.[A-Za-z_][A-Za-z0-9_]{0,63}$/)).max(maxHostNames),
  limits: guestLimits,
})
export type GuestCall = z.infer<typeof guestCall>

/**
 * Why a call did not succeed. `memory` and `cpu` name the limit that ended it, `timeout` is the wall clock's; `crashed`,
 * said by the kernel alone, means that the process ended whenever the call ran.
 */
export const guestFault = z.enum([
  'invalid_input',
  'threw',
  'timeout',
  'cpu',
  'memory',
  'too_large',
  'host_quota',
  'bad_output',
  'crashed',
])
export type GuestFault = z.infer<typeof guestFault>

export const guestAnswer = z.object({
  status: z.enum(['success', 'error']),
  /** For a model: a string as the tool gave it, anything else as JSON; of an error, what went wrong in a sentence. */
  output: z.string().max(sandboxBounds.outputBytes),
  /** `{format: 'json'}` when the output is the JSON of what the tool gave; `{process_ended: true}` when the call ended the process. */
  metadata: z.record(z.string(), z.unknown()).nullable(),
  fault: guestFault.nullable(),
})
export type GuestAnswer = z.infer<typeof guestAnswer>

/** `started`: the call is the guest's from here, and its wall clock runs. `fraction` is from 0 to 1. */
export const guestChunk = z.discriminatedUnion('type', [
  z.object({ type: z.literal('started') }),
  z.object({
    type: z.literal('progress'),
    message: z.string().max(maxProgressChars),
    fraction: z.number().min(0).max(1).nullable(),
  }),
])
export type GuestChunk = z.infer<typeof guestChunk>
export type GuestProgress = Omit<Extract<GuestChunk, { type: 'progress' }>, 'type'>

export const guestTool = z.object({
  name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  description: z.string().max(maxDescriptionChars).nullable(),
  /** JSON Schemas, at most 32 levels deep. */
  parameters: z.record(z.string(), z.unknown()),
  output: z.record(z.string(), z.unknown()).nullable(),
})
export type GuestTool = z.infer<typeof guestTool>

/**
 * Runs the code of plugins, which nobody trusts, in isolates. It keeps nothing that matters: what it needs of a plugin
 * it asks the kernel for. The process may die of a guest, so no call is sent again without judging: see
 * kernel/plugins/sandbox-calls.ts.
 */
export const sandboxService = service('sandbox', {
  /**
   * The tools that a plugin's code defines. Fails with `unprocessable` and a sentence for the plugin's author when the
   * code can not be loaded.
   */
  describe: method({
    params: guestPlugin,
    result: z.object({ tools: z.array(guestTool).max(maxGuestTools) }),
    timeoutMs: 15_000,
    retry: 'never',
  }),
  /** Runs one tool once. What goes wrong in the guest is an answer; an error is the service's own, or `cancelled`. */
  run: method({
    params: guestCall,
    chunk: guestChunk,
    result: guestAnswer,
    timeoutMs: sandboxBounds.wallMs + 10_000,
    retry: 'never',
  }),
  /** Lets go of a version that is not used any more. */
  forget: method({
    params: z.object({ digest: guestPlugin.shape.digest }),
    result: z.null(),
    timeoutMs: 5_000,
    retry: 'safe',
  }),
})

/** A path inside the plugin's folder, with slashes: `plugin.ts`, `lib/parse.ts`. */
const modulePath = z.string().min(1).max(512)

/** A plugin's own code as JavaScript, each module under the path that its imports lead to. */
export const guestModules = z.object({
  entry: modulePath,
  modules: z
    .record(modulePath, z.string().max(maxModuleChars))
    .refine((modules) => Object.keys(modules).length <= maxModules, `A plugin has at most ${maxModules} modules`),
})
export type GuestModules = z.infer<typeof guestModules>

/**
 * What a guest sees of a secret: a text that the kernel replaces by the value, in the headers of `http.fetch` alone and
 * towards the secret's own hosts.
 */
export function secretReference(name: string): string {
  return `{{secret:${name}}}`
}

/**
 * What the kernel is asked to do for a call under way. `http.fetch` takes (url, {method, headers, body}) and answers
 * {status, headers, body}; `kv.get` (key), `kv.set` (key, value), `kv.delete` (key), `kv.list` (prefix); `log.info` and
 * its like (message, details).
 */
export const hostCall = z.object({ call_id: z.string(), name: z.string(), args: z.array(z.unknown()).max(16) })
export type HostCall = z.infer<typeof hostCall>
