import { z } from 'zod'
import { del, get, post, put } from '../route.ts'
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
  /** What it asks for, and what of it was granted. */
  permissions: z.array(z.string()),
  granted: z.array(z.string()),
  /** Where its page is, for those that have one. */
  web_path: z.string().nullable(),
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

const settingValue = z.union([z.string(), z.number(), z.boolean()])

export const pluginDetail = plugin.extend({
  /** Names this version of it. */
  digest: z.string(),
  http_hosts: z.array(z.string()),
  settings: z.array(
    z.object({
      name: z.string(),
      type: z.enum(['string', 'number', 'boolean']),
      description: z.string(),
      default: settingValue,
      enum: z.array(z.union([z.string(), z.number()])).optional(),
      value: settingValue,
    }),
  ),
  /** Their values are never told. */
  secrets: z.array(
    z.object({ name: z.string(), description: z.string(), hosts: z.array(z.string()), set: z.boolean() }),
  ),
})

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
  getPlugin: get('/api/plugins/:name', { summary: 'Plugin detail, with its settings', response: pluginDetail }),
  reloadPlugins: post('/api/plugins/reload', {
    summary: 'Read all plugins again',
    response: z.object({ reloaded: z.literal(true), count, issues: z.array(z.string()) }),
  }),
  removePlugin: del('/api/plugins/:name', {
    summary: 'Move a plugin to the trash folder and forget what it kept',
    response: z.object({ name: z.string(), deleted: z.literal(true) }),
  }),
  configurePlugin: put('/api/plugins/:name/settings', {
    summary: 'Change settings of a plugin',
    /** null puts a setting back to its default. */
    body: z.object({ settings: z.record(z.string(), settingValue.nullable()) }),
    response: z.object({ name: z.string(), settings: z.record(z.string(), settingValue) }),
  }),
  setPluginSecret: put('/api/plugins/:name/secrets/:secret', {
    summary: 'Store a secret of a plugin, sealed',
    /** It ends up in a header. */
    body: z.object({
      value: z
        .string()
        .min(1)
        .max(8_192)
        .regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'expected one line of text, as a header takes it'),
    }),
    response: z.object({ name: z.string(), secret: z.string(), set: z.literal(true) }),
  }),
  deletePluginSecret: del('/api/plugins/:name/secrets/:secret', {
    summary: 'Forget a secret of a plugin',
    response: z.object({ name: z.string(), secret: z.string(), set: z.literal(false) }),
  }),
  getPluginFrame: get('/plugins/:name', {
    summary: "A page around the plugin's own, which calls tools for it",
    auth: 'public',
    kind: 'text',
    response: z.string().meta({ contentMediaType: 'text/html' }),
  }),
  getPluginFrameScript: get('/plugins/frame.js', {
    summary: 'The script of that page',
    auth: 'public',
    kind: 'text',
    response: z.string().meta({ contentMediaType: 'text/javascript' }),
  }),
  getPluginFile: get('/plugins/:name/web/:file', {
    summary: "A file of a plugin's page",
    auth: 'public',
    kind: 'text',
    response: z.string().meta({ contentMediaType: 'application/octet-stream' }),
  }),
  getPluginFileInFolder: get('/plugins/:name/web/:folder/:file', {
    summary: "A file of a plugin's page, in a folder",
    auth: 'public',
    kind: 'text',
    response: z.string().meta({ contentMediaType: 'application/octet-stream' }),
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
    body: jsonObject.default({}),
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
