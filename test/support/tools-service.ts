import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { memoryChannelPair } from '#sdk/rpc/memory-channel.ts'
import { Peer } from '#sdk/rpc/peer.ts'
import { socketChannel } from '#sdk/rpc/socket-channel.ts'
import type { Client } from '#sdk/service.ts'
import { kernelForTools } from '#sdk/services/kernel.ts'
import { type BuiltinToolName, type ToolSettings, toolsService } from '#sdk/services/tools.ts'
import { createTools } from '../../services/tools/tools.ts'

const mainPath = new URL('../../services/tools/main.ts', import.meta.url).pathname

export interface RunningTools {
  tools: Client<typeof toolsService>
  settings: ToolSettings
  run(name: BuiltinToolName, input: Record<string, unknown>): ReturnType<Client<typeof toolsService>['run']>
  log(): string
}

export const scriptSettings: ToolSettings['scripts'] = {
  allowed_interpreters: ['bash', 'python3', 'node'],
  clear_env: true,
  confined: true,
  network: false,
  timeout_ms: 10_000,
  output_bytes: 65_536,
  memory_bytes: 268_435_456,
  writable_paths: [],
}

/** Settings with a workspace of the test's own, deleted at its end. */
export function toolSettingsWith(change: Partial<ToolSettings> = {}): ToolSettings {
  const workspace = mkdtempSync(join(tmpdir(), 'keel-tools-'))
  onTestFinished(() => rmSync(workspace, { recursive: true, force: true }))
  return {
    workspace,
    home: join(workspace, '..', 'keel-home-of-nobody'),
    allowed_paths: [],
    protected_patterns: [],
    allowed_hosts: [],
    scripts: scriptSettings,
    ...change,
  }
}

/** The service in this process, over a channel in memory. */
export async function startTools(change: Partial<ToolSettings> = {}): Promise<RunningTools> {
  const settings = toolSettingsWith(change)
  const [kernelEnd, serviceEnd] = memoryChannelPair()
  const kernel = new Peer(kernelEnd)
  const service = new Peer(serviceEnd)
  onTestFinished(() => kernel.close())
  kernel.serve(kernelForTools, { start: () => settings })
  let written = ''
  const log = pino(
    { level: 'debug' },
    {
      write(line: string) {
        written += line
      },
    },
  )
  service.serve(toolsService, (await createTools(service.connect(kernelForTools), log)).handlers)
  return running(kernel, settings, () => written)
}

/** The service as the kernel runs it: a process of its own, on the fourth descriptor. */
export async function forkTools(change: Partial<ToolSettings> = {}): Promise<RunningTools & { child: ChildProcess }> {
  const settings = toolSettingsWith(change)
  const child = spawn(process.execPath, [mainPath], { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] })
  let written = ''
  child.stdout?.on('data', (bytes: Buffer) => {
    written += bytes.toString()
  })
  const peer = new Peer(socketChannel(child.stdio[3] as Socket))
  const exited = once(child, 'exit')
  onTestFinished(async () => {
    peer.close()
    await exited
  })
  peer.serve(kernelForTools, { start: () => settings })
  const greeted = new Promise<void>((resolve) => peer.onNotice('$/hello', () => resolve()))
  const died = exited.then(() => Promise.reject(new Error(`The service ended: ${written}`)))
  await Promise.race([greeted.then(() => peer.control('$/ping', 10_000)), died])
  died.catch(() => {})
  return { child, ...running(peer, settings, () => written) }
}

function running(peer: Peer, settings: ToolSettings, log: () => string): RunningTools {
  const tools = peer.connect(toolsService)
  return { tools, settings, run: (name, input) => tools.run({ name, input }), log }
}
