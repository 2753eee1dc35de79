import type { Tool, ToolAnswer, ToolRun } from '#kernel/tools/tool.ts'
import { isErrorOf } from '#sdk/errors.ts'
import { type ManifestTool, permissionsOfTool, riskOfTool, settingIssue } from '#sdk/plugin-manifest.ts'
import { scriptAnswer } from '#sdk/script-words.ts'
import type { Client } from '#sdk/service.ts'
import { type GuestAnswer, sandboxBounds } from '#sdk/services/sandbox.ts'
import type { toolsService } from '#sdk/services/tools.ts'
import type { Grants } from './grants.ts'
import type { HostSession } from './host/host-function.ts'
import type { HostCalls } from './host-calls.ts'
import { missingCapabilities } from './input-capabilities.ts'
import type { Plugin } from './plugin.ts'
import type { SandboxCalls } from './sandbox-calls.ts'

const maxHostCalls = 200
const maxCpuMs = 10_000
/** What starting the sandbox may add to a call's own time, in milliseconds. */
const startMs = 20_000
/** Beyond this a variable of the environment may not be taken by the system: the input is on stdin as well. */
const maxEnvInput = 100_000
const anyObject = { type: 'object', additionalProperties: true }

const kvNames = ['kv.get', 'kv.set', 'kv.delete', 'kv.list']
const logNames = ['log.debug', 'log.info', 'log.warn', 'log.error']

export interface PluginToolDeps {
  calls: SandboxCalls
  hosts: HostCalls
  tools: Pick<Client<typeof toolsService>, 'runScript'>
}

/** The tools of an active plugin, as the kernel knows tools. */
export function toolsOfPlugin(plugin: Plugin, grants: Grants, deps: PluginToolDeps): Tool[] {
  return plugin.source.manifest.tools.map((declared) => toolOf(plugin, declared, grants, deps))
}

function toolOf(plugin: Plugin, declared: ManifestTool, all: Grants, deps: PluginToolDeps): Tool {
  const { manifest, digest } = plugin.source
  const described = plugin.described?.get(declared.name)
  const { script } = declared
  const own = permissionsOfTool(declared, manifest)
  // Programs are what a script is: it need not name them again.
  const permissions = all.permissions.filter(
    (name) => own.includes(name) || (name === 'process' && script !== undefined),
  )
  const grants = { ...all, permissions }
  return {
    name: declared.name,
    description: declared.description || described?.description || manifest.description || declared.name,
    parameters: declared.parameters ?? described?.parameters ?? anyObject,
    risk: riskOfTool(declared),
    idempotent: declared.idempotent,
    paths: declared.paths,
    timeoutMs: manifest.timeout_seconds * 1000 + startMs,
    hidden: !declared.expose,
    version: digest,
    source: { kind: 'plugin', plugin: manifest.name, tool: declared.name },
    parse: (raw) => raw,
    ...(script !== undefined && {
      conditions: (input) => {
        const lacking = missingCapabilities(input, own)
        if (lacking.length === 0) return {}
        const deny = `plugin '${manifest.name}' tool '${declared.name}' missing required permissions: ${lacking.join(', ')}`
        return { deny }
      },
    }),
    run: (input, run) =>
      script === undefined
        ? runCode(plugin, declared, { grants, input, run }, deps)
        : runProgram(plugin, declared, { grants, script, input, run }, deps),
  }
}

interface Work {
  grants: Grants
  input: Record<string, unknown>
  run: ToolRun
}

async function runCode(
  { source, row }: Plugin,
  { name: tool, idempotent }: ManifestTool,
  { grants, input, run }: Work,
  { calls, hosts }: PluginToolDeps,
): Promise<ToolAnswer> {
  const { manifest, digest } = source
  const host = hostNames(grants)
  const session: HostSession = {
    plugin: manifest.name,
    grants,
    allowed: new Set(host),
    signal: run.signal,
    left: maxHostCalls,
    used: new Map(),
    effects: false,
  }
  const open = hosts.open(run.call_id, session)
  const wall_ms = Math.min(manifest.timeout_seconds * 1000, sandboxBounds.wallMs)
  try {
    const answer = await calls.run(
      {
        plugin: manifest.name,
        digest,
        call_id: run.call_id,
        tool,
        input,
        settings: settingsOf({ source, row }),
        host,
        limits: {
          wall_ms,
          cpu_ms: Math.min(wall_ms, maxCpuMs),
          memory_bytes: manifest.memory_mb * 1_048_576,
          host_calls: maxHostCalls,
          output_bytes: sandboxBounds.outputBytes,
        },
      },
      {
        signal: run.signal,
        idempotent,
        effects: () => session.effects,
        onProgress: ({ message, fraction }) =>
          run.progress?.(fraction === null ? message : `${message} (${Math.round(fraction * 100)} %)`),
      },
    )
    return toolAnswer(answer, session)
  } finally {
    open.close()
  }
}

function toolAnswer({ status, output, metadata, fault }: GuestAnswer, { used }: HostSession): ToolAnswer {
  const host = Object.fromEntries([...used].map(([name, { count, ms }]) => [name, { count, ms: Math.round(ms) }]))
  const told = { ...metadata, ...(used.size > 0 && { host }), ...(fault !== null && { fault }) }
  return { status, output, ...(Object.keys(told).length > 0 && { metadata: told }) }
}

/** The values of the settings: what the operator has set, else what the manifest says. */
export function settingsOf({ source, row }: Pick<Plugin, 'source' | 'row'>): Record<string, unknown> {
  const declared = Object.entries(source.manifest.settings)
  return Object.fromEntries(
    declared.map(([name, setting]) => {
      const set = row.settings[name]
      // What another version took may be nothing for this one.
      return [name, set === undefined || settingIssue(setting, set) !== null ? setting.default : set]
    }),
  )
}

function hostNames({ permissions, secrets }: Grants): string[] {
  const fetches = permissions.includes('http.fetch')
  return [
    ...logNames,
    ...(permissions.includes('kv') ? kvNames : []),
    ...(fetches ? ['http.fetch', ...secrets.map(({ name }) => `secrets.${name}`)] : []),
  ]
}

async function runProgram(
  { source }: Plugin,
  { name: tool }: ManifestTool,
  { grants: { permissions }, script, input, run }: Work & { script: string },
  { tools }: PluginToolDeps,
): Promise<ToolAnswer> {
  if (!permissions.includes('process'))
    return { status: 'error', output: `${source.manifest.name} was not granted the permission to run programs.` }
  const json = JSON.stringify(input)
  try {
    const outcome = await tools.runScript(
      {
        root: source.root,
        script,
        sha256: source.scripts.get(script) ?? null,
        args: [],
        stdin: json,
        env: {
          KEEL_TOOL: tool,
          KEEL_PLUGIN: source.manifest.name,
          ...(json.length <= maxEnvInput && { KEEL_INPUT: json }),
        },
        timeout_ms: source.manifest.timeout_seconds * 1000,
        network: permissions.includes('network'),
      },
      { signal: run.signal, onChunk: ({ line }) => run.progress?.(line) },
    )
    const { exit_code, stdout, stderr, confinement } = outcome
    const { status, output } = scriptAnswer(outcome)
    const told = status === 'success' ? { output: stdout.trimEnd(), json: jsonOf(stdout) } : { output, json: undefined }
    const metadata = { exit_code, stderr, confinement, ...(told.json !== undefined && { json: told.json }) }
    return { status, output: told.output, metadata }
  } catch (thrown) {
    if (isErrorOf(thrown, 'invalid')) return { status: 'error', output: thrown.message }
    throw thrown
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
