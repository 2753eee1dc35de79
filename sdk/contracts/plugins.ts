import { z } from 'zod'
import { get, post, put } from '../route.ts'
import { riskLevel } from '../services/tools.ts'
import { count, jsonObject, milliseconds } from './values.ts'

export const pluginStatus = z.enum(['Loaded', 'Active', 'Disabled', 'Error'])

export const pluginTool = z.object({
  name: z.string(),
  description: z.string(),
  /** A JSON Schema. */
  parameters: jsonObject,
  risk_level: riskLevel,
  permissions: z.array(z.string()),
})

export const plugin = z.object({
  name: z.string(),
  version: z.string(),
  status: pluginStatus,
  tools: z.array(pluginTool),
  description: z.string(),
  author: z.string(),
  enabled: z.boolean(),
  manifest_path: z.string(),
  permissions: z.array(z.string()),
  timeout_seconds: z.number(),
  requirements: z.array(
    z.object({
      name: z.string(),
      command: z.string(),
      optional: z.boolean(),
      found: z.boolean(),
      install_hint: z.string().nullable(),
    }),
  ),
  warnings: z.array(z.string()),
  error: z.string().optional(),
})
export type Plugin = z.infer<typeof plugin>

const toggled = z.object({ name: z.string(), toggled: z.literal(true), status: pluginStatus })

export const pluginsRoutes = {
  listPlugins: get('/api/plugins', {
    summary: 'List installed plugins',
    /** `total_tools` counts those of active plugins. */
    response: z.object({ plugins: z.array(plugin), count, total_tools: count }),
  }),
  listPluginTools: get('/api/plugins/tools', {
    summary: 'List the tools of active plugins',
    response: z.object({ tools: z.array(pluginTool.extend({ plugin: z.string() })), count }),
  }),
  togglePlugin: put('/api/plugins/:name/toggle', {
    summary: 'Enable/disable plugin',
    /** Without `enabled`, the other of what it is. */
    body: z.object({ enabled: z.boolean().optional() }).prefault({}),
    response: toggled,
  }),
  enablePlugin: post('/api/plugins/:name/enable', {
    summary: 'Enable a plugin',
    response: z.object({ name: z.string(), status: z.literal('enabled') }),
  }),
  disablePlugin: post('/api/plugins/:name/disable', {
    summary: 'Disable a plugin',
    response: z.object({ name: z.string(), status: z.literal('disabled') }),
  }),
  executePluginTool: post('/api/plugins/:name/execute/:tool', {
    summary: 'Execute a plugin tool',
    /** The tool's input. */
    body: z.unknown().default({}),
    response: z.union([
      z.object({
        plugin: z.string(),
        tool: z.string(),
        result: z.object({ success: z.boolean(), output: z.string(), metadata: jsonObject.nullable() }),
        duration_ms: milliseconds.optional(),
      }),
      z.object({ status: z.literal('awaiting_approval'), request_id: z.string() }),
    ]),
  }),
}
