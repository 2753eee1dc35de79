import type { Readable, Writable } from 'node:stream'

/** What a command may use of the process it runs in. */
export interface CliIo {
  env: NodeJS.ProcessEnv
  stdin: Readable & { isTTY?: boolean }
  /** `columns`: how wide a terminal is. */
  stdout: Writable & { isTTY?: boolean; columns?: number }
  stderr: Writable & { isTTY?: boolean }
  /** Aborts at Ctrl-C. */
  signal: AbortSignal
}

export interface GlobalOptions {
  url?: string
  apiKey?: string
  home?: string
  json?: boolean
  color?: boolean
}
