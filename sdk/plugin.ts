import { z } from 'zod'

/*
 * What a plugin's author imports as `@keel/sdk`. In Keel the sandbox puts its own in this module's place; what is here gives
 * the types, and lets the file be read by tools outside.
 */

export { z }

/** The answer of `http.fetch`. */
export interface HttpAnswer {
  status: number
  ok: boolean
  /** Names in lower case; those that a guest may know. */
  headers: Record<string, string>
  body: string
  /** There was more than 512 KiB. */
  truncated: boolean
  text(): string
  json(): unknown
}

export interface HttpRequest {
  /** Default GET. */
  method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  headers?: Record<string, string>
  body?: string
}

/** What Keel does for a plugin, as far as plugin.toml asks for it and the operator has granted it. */
export interface Host {
  http: {
    /** To the hosts of plugin.toml alone, over the public internet. */
    fetch(url: string, request?: HttpRequest): Promise<HttpAnswer>
  }
  /** What the plugin keeps between calls: at most 1,000 entries of 64 KiB, 4 MiB together. */
  kv: {
    /** null where nothing is kept. */
    get(key: string): Promise<unknown>
    set(key: string, value: unknown): Promise<null>
    /** False where there was nothing. */
    delete(key: string): Promise<boolean>
    /** The keys that begin so, in order. */
    list(prefix?: string): Promise<string[]>
  }
  /** Lines in Keel's log, at most 100 a call. */
  log: Record<'debug' | 'info' | 'warn' | 'error', (message: string, details?: unknown) => Promise<null>>
  /** References to the secrets of plugin.toml: Keel puts the value in their place in the headers of `http.fetch`, and nowhere else. */
  secrets: Record<string, string>
}

/** A cancelled call, or one whose time is over, aborts it. */
export interface GuestSignal {
  readonly aborted: boolean
  readonly reason: unknown
  throwIfAborted(): void
  addEventListener(kind: 'abort', listener: () => void): void
  removeEventListener(kind: 'abort', listener: () => void): void
}

export interface ToolContext<Input> {
  /** As the input schema gives it. */
  input: Input
  /** The values of the settings that plugin.toml declares. */
  settings: Record<string, string | number | boolean>
  host: Host
  /** Tells people how far the work is; `fraction` from 0 to 1. At most twenty a second are shown, and 500 a call. */
  progress(message: string, fraction?: number): void
  signal: GuestSignal
}

export interface ToolOptions<I extends z.ZodType, O extends z.ZodType> {
  /** For the model; plugin.toml's own comes before it. */
  description?: string
  input?: I
  /** What `run` returns must be of this shape. */
  output?: O
  /** A string is given to the model as it is, anything else as JSON. What it throws is told to the model. */
  run(context: ToolContext<z.output<I>>): z.input<O> | Promise<z.input<O>>
}

/** A tool with its types taken from its schemas. Its name is the key it stands under in `definePlugin`. */
export function tool<I extends z.ZodType = z.ZodRecord<z.ZodString, z.ZodUnknown>, O extends z.ZodType = z.ZodUnknown>(
  options: ToolOptions<I, O>,
): ToolOptions<I, O> {
  return options
}

/** Whatever its schemas are: a plugin holds tools of many kinds. */
export interface AnyTool {
  description?: string
  input?: z.ZodType
  output?: z.ZodType
  run(context: never): unknown
}

export interface PluginDefinition {
  /** By the names that plugin.toml declares. */
  tools: Record<string, AnyTool>
}

/** The default export of a plugin's module. */
export function definePlugin<P extends PluginDefinition>(plugin: P): P {
  return plugin
}
