import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { SandboxCalls, type SandboxRun } from '#kernel/plugins/sandbox-calls.ts'
import { sandboxSpec } from '#kernel/plugins/sandbox-spec.ts'
import type { ServiceSpec } from '#kernel/supervisor/spec.ts'
import { startSupervisor } from '#kernel/supervisor/supervisor.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { newId } from '#sdk/ids.ts'
import type { CallOptions } from '#sdk/service.ts'
import type { kernelForSandbox } from '#sdk/services/kernel.ts'
import { type GuestCall, type GuestLimits, type HostCall, sandboxService } from '#sdk/services/sandbox.ts'

const mebibyte = 1024 * 1024

export const shortLimits: GuestLimits = {
  wall_ms: 600,
  cpu_ms: 300,
  memory_bytes: 32 * mebibyte,
  host_calls: 20,
  output_bytes: 16_384,
}

type CallChange = Partial<Omit<GuestCall, 'limits'>> & { limits?: Partial<GuestLimits> }

export interface SandboxScene {
  /** Plugins by name, each as the text of its only module or as several; the digest is the name as well. */
  plugins: Record<string, string | Record<string, string>>
  callHost: (call: HostCall, signal: AbortSignal) => unknown
  spec: Partial<ServiceSpec<typeof sandboxService, typeof kernelForSandbox>>
}

export function openSandbox({ plugins = {}, callHost, spec = {} }: Partial<SandboxScene>) {
  const runDir = mkdtempSync(join(tmpdir(), 'keel-sandbox-'))
  const lines: string[] = []
  const loads: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) })
  const supervised = sandboxSpec({
    loadPlugin({ plugin }) {
      loads.push(plugin)
      const code = plugins[plugin]
      if (code === undefined) throw new RuntimeError('not_found', `There is no plugin ${plugin}`)
      return { entry: 'plugin.js', modules: typeof code === 'string' ? { 'plugin.js': code } : code }
    },
    callHost: (call, { signal }) => callHost?.(call, signal) ?? null,
  })
  const supervisor = startSupervisor({
    specs: [{ ...supervised, ...spec }],
    runDir,
    log,
    onLog: (_service, line) => lines.push(line),
    onStateChange: () => {},
  })
  const sandbox = supervisor.client(sandboxService)
  const status = () => {
    const [only] = supervisor.status()
    if (!only) throw new Error('There is no service')
    return only
  }
  const strikes: string[] = []
  const calls = new SandboxCalls({
    sandbox,
    endProcess() {
      const { pid } = status()
      if (pid) process.kill(pid, 'SIGKILL')
    },
    onStrikes: (plugin) => strikes.push(plugin),
  })
  const callOf = (plugin: string, { limits, ...change }: CallChange = {}): GuestCall => ({
    call_id: newId(),
    plugin,
    digest: plugin,
    tool: 'run',
    input: {},
    settings: {},
    host: [],
    ...change,
    limits: { ...shortLimits, ...limits },
  })
  return {
    plugins,
    sandbox,
    /** The plugins that made trouble enough. */
    strikes,
    supervisor,
    status,
    /** What the service and its supervisor wrote. */
    lines,
    /** The plugins that the service asked for, in order. */
    loads,
    /** One call, sent once. */
    run: (plugin: string, change?: CallChange, options?: CallOptions<typeof sandboxService.methods.run>) =>
      sandbox.run(callOf(plugin, change), options),
    /** One call as the kernel makes it: sent again where that does no harm. */
    call: (plugin: string, change?: CallChange, run: Partial<SandboxRun> = {}) =>
      calls.run(callOf(plugin, change), {
        signal: new AbortController().signal,
        idempotent: true,
        effects: () => false,
        ...run,
      }),
    async close() {
      await supervisor.close(0)
      rmSync(runDir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

export type OpenSandbox = ReturnType<typeof openSandbox>

/** A plugin of one tool, `run`, whose function has the text as its body. */
export function guest(body: string, before = ''): string {
  return `import { definePlugin, tool } from '@keel/sdk'
${before}
export default definePlugin({
  tools: {
    run: tool({
      async run({ input, settings, host, progress, signal }) { ${body} },
    }),
  },
})`
}
