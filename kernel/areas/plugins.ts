import type { Context } from '#kernel/context.ts'
import { isOnPath } from '#kernel/guests/on-path.ts'
import type { Handlers } from '#kernel/http/handler.ts'
import type { Reply } from '#kernel/http/reply.ts'
import { isCompanionOf } from '#kernel/plugins/companion-skills.ts'
import { frameHeaders, framePage, frameScript, pageHeaders } from '#kernel/plugins/frame.ts'
import type { Plugin } from '#kernel/plugins/plugin.ts'
import { settingsOf } from '#kernel/plugins/plugin-tools.ts'
import type { Plugins } from '#kernel/plugins/registry.ts'
import { readWebFile } from '#kernel/plugins/web-files.ts'
import { apiGrant } from '#kernel/policy/authority.ts'
import { callTool } from '#kernel/tools/call-tool.ts'
import type { Tool } from '#kernel/tools/tool.ts'
import type { Plugin as PluginView, pluginsRoutes } from '#sdk/contracts/plugins.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { askedPermissions, permissionsOfTool, riskOfTool } from '#sdk/plugin-manifest.ts'

type PluginsContext = Pick<
  Context,
  'plugins' | 'skills' | 'config' | 'store' | 'bus' | 'judge' | 'approvals' | 'toolbox'
>

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
    const tools = plugins
      .list()
      .filter((plugin) => plugins.status(plugin) === 'Active')
      .flatMap((plugin) => toolViews(plugin).map((tool) => ({ ...tool, plugin: plugin.source.manifest.name })))
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
      secrets: manifest.secrets.map((secret) => ({ ...secret, set: plugins.secrets.has(params.name, secret.name) })),
    }
  },

  async reloadPlugins(_, { plugins }) {
    await plugins.reload()
    const [live, broken] = [plugins.list(), plugins.broken()]
    return {
      reloaded: true,
      count: live.length + broken.length,
      issues: [...live.map(({ row, error }) => ({ name: row.name, error })), ...broken]
        .filter(({ error }) => error !== null)
        .map(({ name, error }) => `rejected plugin '${name}': ${error}`),
    }
  },

  async removePlugin({ params }, { plugins, skills }) {
    await plugins.remove(params.name)
    for (const name of [...skills.list().map((skill) => skill.name), ...skills.missing().map(({ row }) => row.name)])
      if (isCompanionOf(params.name, name)) skills.forget(name)
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
    const found = findTool(context, params.name, params.tool)
    const isOpen = found.risk !== 'Dangerous' || settings.api_dangerous
    const tool = isOpen
      ? found
      : { ...found, conditions: approvals.enabled ? askedFirst(found) : closedToApi(params.tool) }
    const { source: api, level: authority } = apiGrant(security)
    const caller = {
      turn_id: null,
      session_id: null,
      agent_id: null,
      channel: 'api',
      authority,
      standing: { sources: [api], ceiling: null, threat_score: 0 },
    }
    const result = await callTool({ tool, input: body, caller }, signal, context)
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
    for (const [name, value] of frameHeaders) reply.header(name, value)
    return reply.text(framePage(manifest.name), 'text/html; charset=utf-8')
  },

  getPluginFrameScript: ({ reply }) => reply.text(frameScript, 'text/javascript; charset=utf-8'),

  getPluginFile: ({ params, reply }, { plugins }) => sendWebFile(plugins, params.name, params.file, reply),

  getPluginFileInFolder: ({ params, reply }, { plugins }) =>
    sendWebFile(plugins, params.name, `${params.folder}/${params.file}`, reply),
}

/** Under the name by which the policy, the approvals and the audit know it. */
function findTool({ plugins, toolbox }: Pick<Context, 'plugins' | 'toolbox'>, plugin: string, name: string): Tool {
  const tool = toolbox.findOf(plugin, name)
  if (tool) return tool
  const { manifest } = plugins.load(plugin).source
  const isOwn = manifest.tools.some((own) => own.name === name)
  const other = plugins.tools().find((candidate) => candidate.name === name)
  if (!isOwn && other?.source.kind === 'plugin')
    throw new RuntimeError('invalid', `tool '${name}' belongs to plugin '${other.source.plugin}', not '${plugin}'`)
  throw new RuntimeError('not_found', `tool '${name}' not found in plugin '${plugin}'`)
}

function askedFirst({ name, conditions }: Tool): NonNullable<Tool['conditions']> {
  return (input, caller) => ({ ask: `tool '${name}' is Dangerous-level`, ...conditions?.(input, caller) })
}

/** Denied at the gate, so that it is on record. */
function closedToApi(name: string): NonNullable<Tool['conditions']> {
  const deny = `tool '${name}' is Dangerous-level: it runs over the API with an approval (approvals.enabled), or where plugins.api_dangerous is true`
  return () => ({ deny })
}

async function sendWebFile(plugins: Plugins, plugin: string, file: string, reply: Reply) {
  const { root, manifest } = loadWeb(plugins, plugin)
  const { bytes, type } = await readWebFile(root, manifest.web?.root ?? 'web', file)
  for (const [name, value] of pageHeaders) reply.header(name, value)
  return reply.text(bytes, type)
}

function loadWeb(plugins: Plugins, name: string) {
  const plugin = plugins.load(name)
  if (!plugin.source.manifest.web || plugins.status(plugin) !== 'Active')
    throw new RuntimeError('not_found', `plugin '${name}' has no page`)
  return plugin.source
}

function toolViews({ source: { manifest }, described }: Plugin): PluginView['tools'] {
  return manifest.tools.map((tool) => ({
    name: tool.name,
    description: tool.description || (described?.get(tool.name)?.description ?? ''),
    parameters: tool.parameters ?? described?.get(tool.name)?.parameters ?? {},
    risk_level: riskOfTool(tool),
    permissions: permissionsOfTool(tool, manifest),
  }))
}

function view(plugin: Plugin, plugins: Plugins): PluginView {
  const { source, row, error } = plugin
  const { manifest, warnings, root } = source
  const asked = askedPermissions(manifest)
  const { granted, lacking } = plugins.grants(plugin)
  return {
    name: manifest.name,
    version: manifest.version,
    status: plugins.status(plugin),
    tools: toolViews(plugin),
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
      ...(lacking.length > 0
        ? [`asks for ${lacking.join(', ')}: grant it with keel plugin enable ${manifest.name}`]
        : []),
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
