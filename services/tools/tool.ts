import type { z } from 'zod'
import type { BuiltinTool, ToolSettings } from '#sdk/services/tools.ts'

export interface ToolContext {
  settings: ToolSettings
  /** Aborted when the caller cancels or the tool's time is over. */
  signal: AbortSignal
}

export interface ToolAnswer {
  status: 'success' | 'partial_success' | 'error'
  output: string
}

/** A handler for each tool of a table; a plain text is a success. Errors of kind `internal` excepted, a RuntimeError is told to the model. */
export type ToolHandlers<T extends Record<string, BuiltinTool>> = {
  [K in keyof T]: (
    input: z.output<T[K]['input']>,
    context: ToolContext,
  ) => string | ToolAnswer | Promise<string | ToolAnswer>
}
