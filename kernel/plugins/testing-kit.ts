import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { RuntimeError } from '#sdk/errors.ts'
import { newId, timestamp } from '#sdk/ids.ts'
import { askedPermissions, settingIssue } from '#sdk/plugin-manifest.ts'
import { type GuestTool, sandboxService } from '#sdk/services/sandbox.ts'
import type { FetchRequest } from '#sdk/services/tools.ts'
import { startSupervisor } from '../supervisor/supervisor.ts'
import type { Tool } from '../tools/tool.ts'
import { grantsOf } from './grants.ts'
import { httpFunctions } from './host/http-fetch.ts'
import { type KeptValues, kvOn } from './host/kv.ts'
import { logFunctions } from './host/log.ts'
import { HostCalls } from './host-calls.ts'
import type { Plugin } from './plugin.ts'
import { toolsOfPlugin } from './plugin-tools.ts'
import { readPlugin } from './read-plugin.ts'
import { SandboxCalls } from './sandbox-calls.ts'
import { sandboxSpec } from './sandbox-spec.ts'

/** What a test answers in the internet's place. */
export interface FakeAnswer {
  status?: number
  headers?: Record<string, string>
  body?: string | object
}

export interface FakeRequest {
  url: string
  method: string
  /** With the values of secrets in them, as the far end would get them. */
  headers: Record<string, string>
  body: string | null
}

export interface TestOptions {
  settings?: Record<string, string | number | boolean>
  secrets?: Record<string, string>
  /** What an operator would have granted; everything that plugin.toml asks for unless told. */
  granted?: string[]
  /** Answers `http.fetch`; without it every request fails. */
  http?: (request: FakeRequest) => FakeAnswer | Promise<FakeAnswer>
}

export interface TestedPlugin {
  /** The tools by name, with their JSON Schemas. */
  readonly tools: Readonly<Record<string, { description: string; parameters: Record<string, unknown>; risk: string }>>
  /** What was kept by `kv`. */
  readonly kept: ReadonlyMap<string, unknown>
  /** Lines that it logged and progress that it told. */
  readonly lines: readonly string[]
  /** What the tool gives, JSON parsed; throws with what a model would be told. */
  call(tool: string, input?: Record<string, unknown>): Promise<unknown>
  close(): Promise<void>
}

/**
 * Runs the plugin of a folder in the sandbox that Keel runs it in: the same process, the same limits and the same
 * permissions. Throws with a sentence for its author when it can not be loaded.
 */
export async function openPlugin(folder: string | URL, options: TestOptions = {}): Promise<TestedPlugin> {
  const root = resolve(typeof folder === 'string' ? folder : fileURLToPath(folder))
  const source = await readPlugin(root)
  const { manifest, digest, code } = source
  for (const [name, value] of Object.entries(options.settings ?? {})) {
    const declared = manifest.settings[name]
    const wrong = declared ? settingIssue(declared, value) : 'plugin.toml has no such setting'
    if (wrong) throw new RuntimeError('invalid', `settings.${name}: ${wrong}`)
  }
  const lines: string[] = []
  const kept = new Map<string, unknown>()
  const log = pino(
    { level: 'debug', base: null, timestamp: false },
    { write: (line: string) => void lines.push(line.trim()) },
  )
  const runDir = mkdtempSync(join(tmpdir(), 'keel-plugin-test-'))
  const hosts = new HostCalls({
    ...kvOn(inMemory(kept)),
    ...logFunctions(log),
    ...httpFunctions({
      tools: { fetch: (wanted) => fakeFetch(wanted, options.http) },
      secretOf: (_, name) => options.secrets?.[name],
    }),
  })
  const supervisor = startSupervisor({
    specs: [
      sandboxSpec({
        loadPlugin() {
          if (!code) throw new RuntimeError('not_found', `${manifest.name} has no code`)
          return code
        },
        callHost: (call) => hosts.perform(call),
      }),
    ],
    runDir,
    log: pino({ enabled: false }),
    onLog: (_service, line) => lines.push(line),
    onStateChange: () => {},
  })
  const close = async () => {
    await supervisor.close(0)
    rmSync(runDir, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    const sandbox = supervisor.client(sandboxService)
    const { tools } = await sandbox.describe({ plugin: manifest.name, digest })
    const plugin: Plugin = {
      source,
      row: {
        name: manifest.name,
        version: manifest.version,
        enabled: true,
        granted: [],
        settings: options.settings ?? {},
        disabled_reason: null,
        installed_at: timestamp(),
        updated_at: timestamp(),
      },
      described: new Map(tools.map((told: GuestTool) => [told.name, told])),
      error: null,
      missing: [],
      refused: false,
    }
    const asked = askedPermissions(manifest)
    const inAdvance = asked.filter((name) => options.granted?.includes(name) ?? true)
    const calls = new SandboxCalls({
      sandbox,
      endProcess: (reason) => supervisor.endProcess(sandboxService.name, reason),
      onStrikes: () => {},
    })
    const runScript = () => Promise.reject(new RuntimeError('unavailable', 'script tools run in Keel alone'))
    const known = toolsOfPlugin(plugin, grantsOf(plugin, inAdvance), { calls, hosts, tools: { runScript } })
    return {
      tools: Object.fromEntries(
        known.map(({ name, description, parameters, risk }) => [name, { description, parameters, risk }]),
      ),
      kept,
      lines,
      call: (name, input = {}) => callTool(known, name, input, lines),
      close,
    }
  } catch (thrown) {
    await close()
    throw thrown
  }
}

async function callTool(
  tools: readonly Tool[],
  name: string,
  input: Record<string, unknown>,
  lines: string[],
): Promise<unknown> {
  const found = tools.find((tool) => tool.name === name)
  if (!found) throw new RuntimeError('not_found', `the plugin has no tool ${name}`)
  const { status, output, metadata } = await found.run(input, {
    call_id: newId(),
    version: found.version,
    signal: new AbortController().signal,
    progress: (message) => void lines.push(message),
    caller: { turn_id: null, session_id: null, agent_id: null, channel: 'test', authority: 'Creator' },
  })
  if (status !== 'success') throw new Error(output)
  return metadata?.format === 'json' ? JSON.parse(output) : output
}

async function fakeFetch({ url, method, headers, body }: FetchRequest, answer: TestOptions['http']) {
  if (!answer) throw new RuntimeError('upstream_failed', `${url} could not be reached: the test gives no answer`)
  const { status = 200, headers: told = {}, body: text = '' } = await answer({ url, method, headers, body })
  const content = typeof text === 'string' ? text : JSON.stringify(text)
  return { status, url, headers: told, body: content, truncated: false }
}

function inMemory(kept: Map<string, unknown>): KeptValues {
  return {
    get: (_, key) => kept.get(key),
    usage: (_, exceptKey) => {
      const others = [...kept].filter(([key]) => key !== exceptKey)
      return { entries: others.length, bytes: others.reduce((sum, entry) => sum + JSON.stringify(entry).length, 0) }
    },
    set: (_, key, json) => void kept.set(key, JSON.parse(json)),
    delete: (_, key) => kept.delete(key),
    keys: (_, prefix, limit) =>
      [...kept.keys()]
        .filter((key) => key.startsWith(prefix))
        .sort()
        .slice(0, limit),
  }
}
