import { z } from 'zod'

/** What the tools that the kernel itself performs have in common: their input is what the schema says. */
export function ownTool(name: string, description: string, schema: z.ZodType<Record<string, unknown>>) {
  return {
    name,
    description,
    parameters: z.toJSONSchema(schema, { io: 'input' }) as Record<string, unknown>,
    paths: [],
    version: '1',
    source: { kind: 'builtin' as const },
    parse(raw: Record<string, unknown>): Record<string, unknown> | string {
      const parsed = schema.safeParse(raw)
      return parsed.success ? parsed.data : z.prettifyError(parsed.error)
    },
  }
}
