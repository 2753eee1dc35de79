import type { Context } from '#kernel/context.ts'
import { isOnPath } from '#kernel/guests/on-path.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import type { Plugin } from '#kernel/plugins/plugin.ts'
import { settingsOf } from '#kernel/plugins/plugin-tools.ts'
import type { Plugins } from '#kernel/plugins/registry.ts'
import { frameHeaders, framePage, frameScript, readWebFile } from '#kernel/plugins/web-files.ts'
import { apiGrant } from '#kernel/policy/authority.ts'
import { callTool } from '#kernel/tools/call-tool.ts'
import type { Tool } from '#kernel/tools/tool.ts'
import type { Plugin as PluginView, pluginsRoutes } from '#sdk/contracts/plugins.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { askedPermissions, riskOfTool } from '#sdk/plugin-manifest.ts'

type PluginsContext = Pick<Context, 'plugins' | 'config' | 'store' | 'bus' | 'judge' | 'approvals' | 'toolbox'>

export const pluginsHandlers: Handlers<typeof pluginsRoutes, PluginsContext> = {
  listPlugins(_, { plugins }) {
    const views = plugins.list().map((plugin) => view(plugin, plugins))
    const broken = plugins.broken().map(brokenView)
    const active = views.filter(({ status }) => status === 'Active')
    return {
      plugins: [...views, ...broken].sort((left, right) => (left.name < right.name ? -1 : 1)),
      count: views.length + broken.length,
      total_tools: active.reduce((sum, { tools }) => sum + tools.length, 0),
    }
  },

  listPluginTools(_, { plugins }) {
    const tools = plugins.tools().map((tool) => ({ ...toolView(tool), plugin: pluginOf(tool) }))
    return { tools, count: tools.length }
  },

  getPlugin: ({ params }, { plugins }) => {
    const plugin = plugins.load(params.name)
    const { manifest, digest } = plugin.source
    const values = settingsOf(plugin)
    return {
      ...view(plugin, plugins),
      digest,
      http_hosts: manifest.http.hosts,
      settings: Object.entries(manifest.settings).map(([name, declared]) => ({
        name,
        type: declared.type,
        description: declared.description,
        default: declared.default,
        ...(declared.enum && { enum: declared.enum }),
        value: values[name] as string | number | boolean,
      })),
      secrets: manifest.secrets.map((secret) => ({ ...secret, set: plugins.hasSecret(params.name, secret.name) })),
    }
  },

  async reloadPlugins(_, { plugins }) {
    await plugins.reload()
    const broken = plugins.broken()
    return {
      reloaded: true,
      count: plugins.list().length + broken.length,
      issues: broken.map(({ name, error }) => `rejected plugin '${name}': ${error}`),
    }
  },

  async removePlugin({ params }, { plugins }) {
    await plugins.remove(params.name)
    return { name: params.name, deleted: true }
  },

  configurePlugin({ params, body }, { plugins }) {
    const plugin = plugins.configure(params.name, body.settings)
    return { name: params.name, settings: settingsOf(plugin) as Record<string, string | number | boolean> }
  },

  setPluginSecret({ params, body }, { plugins }) {
    plugins.setSecret(params.name, params.secret, body.value)
    return { name: params.name, secret: params.secret, set: true }
  },

  deletePluginSecret({ params }, { plugins }) {
    plugins.setSecret(params.name, params.secret, null)
    return { name: params.name, secret: params.secret, set: false }
  },

  async togglePlugin({ params, body }, { plugins }) {
    const { name } = params
    const enabled = body.enabled ?? plugins.status(plugins.load(name)) !== 'Active'
    const plugin = await (enabled ? plugins.enable(name) : plugins.disable(name))
    return { name, toggled: true, status: plugins.status(plugin) }
  },

  async enablePlugin({ params }, { plugins }) {
    await plugins.enable(params.name)
    return { name: params.name, status: 'enabled' }
  },

  async disablePlugin({ params }, { plugins }) {
    await plugins.disable(params.name)
    return { name: params.name, status: 'disabled' }
  },

  async executePluginTool({ params, body, signal, reply }, context) {
    const { config } = context
    const { security, approvals, plugins: settings } = config.current()
    const input = inputOf(body)
    const tool = findTool(context, params.name, params.tool)
    const { source: api, level: authority } = apiGrant(security)
    const caller = {
      turn_id: null,
      session_id: null,
      agent_id: null,
      channel: 'api',
      authority,
      standing: { sources: [api], ceiling: null, threat_score: 0 },
    }
    const isClosed = tool.risk === 'Dangerous' && !approvals.enabled && !settings.api_dangerous
    const result = await callTool({ tool: isClosed ? closedToApi(tool) : tool, input, caller }, signal, context)
    if (result.kind === 'denied') throw new RuntimeError('forbidden', result.reason)
    if (result.kind === 'awaiting_approval') {
      reply.status(202)
      return { status: 'awaiting_approval', request_id: result.approval.id }
    }
    const { status, output, metadata = null } = result.answer
    return {
      plugin: params.name,
      tool: params.tool,
      result: { success: status === 'success' || status === 'partial_success', output, metadata },
      duration_ms: result.duration_ms,
    }
  },

  getPluginFrame({ params, reply }, { plugins }) {
    const { manifest } = loadWeb(plugins, params.name)
    return reply.text(framePage(manifest.name), 'text/html; charset=utf-8')
  },

  getPluginFrameScript: ({ reply }) => reply.text(frameScript, 'text/javascript; charset=utf-8'),

  async getPluginFile({ params, reply }, { plugins }) {
    const { root, manifest } = loadWeb(plugins, params.name)
    const { bytes, type } = await readWebFile(root, manifest.web?.root ?? 'web', params.file)
    for (const [name, value] of frameHeaders) reply.header(name, value)
    return reply.text(bytes, type)
  },
}

/** As the toolbox has it, so that it is the same tool to the gate whoever calls it. */
function findTool({ plugins, toolbox }: Pick<Context, 'plugins' | 'toolbox'>, plugin: string, name: string): Tool {
  const known = toolbox.list().filter(({ source }) => source.kind === 'plugin')
  const isNamed = ({ name: own, declared = own }: Tool) => declared === name
  const tool = known.find((candidate) => isNamed(candidate) && pluginOf(candidate) === plugin)
  if (tool) return tool
  plugins.load(plugin)
  const other = known.find(isNamed)
  if (other) throw new RuntimeError('invalid', `tool '${name}' belongs to plugin '${pluginOf(other)}', not '${plugin}'`)
  throw new RuntimeError('not_found', `tool '${name}' not found in plugin '${plugin}'`)
}

/** Denied at the gate, so that it is on record. */
function closedToApi(tool: Tool): Tool {
  const { name, declared = name } = tool
  const deny = `tool '${declared}' is Dangerous-level: it runs over the API with an approval (approvals.enabled), or where plugins.api_dangerous is true`
  return { ...tool, conditions: () => ({ deny }) }
}

function inputOf(body: unknown): Record<string, unknown> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>
  throw new RuntimeError('invalid', "body: expected an object, the tool's input")
}

function loadWeb(plugins: Plugins, name: string) {
  const plugin = plugins.load(name)
  if (!plugin.source.manifest.web || plugins.status(plugin) !== 'Active')
    throw new RuntimeError('not_found', `plugin '${name}' has no page`)
  return plugin.source
}

function pluginOf({ source }: Tool): string {
  return source.kind === 'plugin' ? source.plugin : ''
}

function toolView({ name, description, parameters, risk }: Tool) {
  return { name, description, parameters, risk_level: risk, permissions: [] }
}

function view(plugin: Plugin, plugins: Plugins): PluginView {
  const { source, row, error, described } = plugin
  const { manifest, warnings, root } = source
  const asked = askedPermissions(manifest)
  const granted = plugins.granted(plugin)
  const open = asked.filter((name) => !granted.includes(name))
  return {
    name: manifest.name,
    version: manifest.version,
    status: plugins.status(plugin),
    tools: manifest.tools.map((tool) => ({
      name: tool.name,
      description: tool.description || (described?.get(tool.name)?.description ?? ''),
      parameters: tool.parameters ?? described?.get(tool.name)?.parameters ?? {},
      risk_level: riskOfTool(tool),
      permissions: tool.permissions.length > 0 ? tool.permissions : manifest.permissions,
    })),
    description: manifest.description,
    author: manifest.author,
    enabled: plugins.status(plugin) === 'Active',
    manifest_path: `${root}/plugin.toml`,
    permissions: asked,
    granted,
    web_path: manifest.web ? `/plugins/${manifest.name}` : null,
    timeout_seconds: manifest.timeout_seconds,
    requirements: manifest.requirements.map((needed) => ({ ...needed, found: isOnPath(needed.command) })),
    warnings: [
      ...warnings,
      ...(open.length > 0 ? [`asks for ${open.join(', ')}: grant it with keel plugin enable ${manifest.name}`] : []),
      ...(row.disabled_reason === null ? [] : [`disabled by Keel: ${row.disabled_reason}`]),
    ],
    ...(error !== null && { error }),
  }
}

/** A folder that could not be read: nothing of what it says counts. */
function brokenView({ name, error }: { name: string; error: string }): PluginView {
  return {
    name,
    version: '',
    status: 'Error',
    tools: [],
    description: '',
    author: '',
    enabled: false,
    manifest_path: `${name}/plugin.toml`,
    permissions: [],
    granted: [],
    web_path: null,
    timeout_seconds: 0,
    requirements: [],
    warnings: [],
    error,
  }
}
