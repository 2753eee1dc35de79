import { z } from 'zod'
import type { Client } from '#sdk/service.ts'
import { type BuiltinTool, builtinTools, type toolsService } from '#sdk/services/tools.ts'
import type { Tool } from './tool.ts'

/** The hands every agent has, done by the tools service. `version` is the build's. */
export function builtinToolsOf(tools: Pick<Client<typeof toolsService>, 'run'>, version: string): Tool[] {
  return Object.entries<BuiltinTool>(builtinTools).map(([name, { input: schema, ...declared }]) => ({
    ...declared,
    name,
    version,
    source: { kind: 'builtin' },
    parameters: z.toJSONSchema(schema, { io: 'input' }) as Record<string, unknown>,
    parse(raw) {
      const parsed = schema.safeParse(raw)
      return parsed.success ? parsed.data : z.prettifyError(parsed.error)
    },
    run: (input, { signal }) => tools.run({ name, input }, { signal, timeoutMs: declared.timeoutMs }),
  }))
}
