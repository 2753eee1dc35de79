import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Lookup } from '#sdk/egress/checked-addresses.ts'
import { memoryChannelPair } from '#sdk/rpc/memory-channel.ts'
import { Peer } from '#sdk/rpc/peer.ts'
import { socketChannel } from '#sdk/rpc/socket-channel.ts'
import type { Client } from '#sdk/service.ts'
import { type ActionResult, type BrowserSettings, type BrowserState, browserService } from '#sdk/services/browser.ts'
import type { ActionName } from '#sdk/services/browser-actions.ts'
import { kernelForBrowser } from '#sdk/services/kernel.ts'
import { createBrowser } from '../../services/browser/browser.ts'

const mainPath = new URL('../../services/browser/main.ts', import.meta.url).pathname
const actionMs = 15_000

export interface ActOptions {
  session?: string
  profile?: string
  timeoutMs?: number
  signal?: AbortSignal
}

export interface RunningBrowserService {
  browser: Client<typeof browserService>
  settings: BrowserSettings
  workspace: string
  /** What the service has told of itself, oldest first. */
  states: BrowserState[]
  /** What is kept of profiles, by name. */
  profiles: Map<string, string>
  act(action: ActionName, fields?: Record<string, unknown>, options?: ActOptions): Promise<ActionResult>
  /** As `act`, for actions that must succeed: their data. */
  done(action: ActionName, fields?: Record<string, unknown>, options?: ActOptions): Promise<Record<string, unknown>>
  log(): string
  close(): Promise<void>
}

interface Choice {
  settings?: Partial<BrowserSettings>
  lookup?: Lookup
}

/** The service in this process, over a channel in memory. It is to be closed. */
export async function startBrowserService({ settings: change, lookup }: Choice = {}): Promise<RunningBrowserService> {
  const [kernelEnd, serviceEnd] = memoryChannelPair()
  const kernel = new Peer(kernelEnd)
  const service = new Peer(serviceEnd)
  let written = ''
  const log = pino(
    { level: 'debug' },
    {
      write(line: string) {
        written += line
      },
    },
  )
  const scene = sceneOf(kernel, change, () => written)
  const setup = await createBrowser(service.connect(kernelForBrowser), log, lookup && { lookup })
  service.serve(browserService, setup.handlers)
  return {
    ...scene,
    async close() {
      await setup.close?.()
      kernel.close()
      rmSync(scene.workspace, { recursive: true, force: true })
    },
  }
}

/** The service as the kernel runs it: a process of its own, on the fourth descriptor. It is to be closed. */
export async function forkBrowserService({
  settings: change,
}: Choice = {}): Promise<RunningBrowserService & { child: ChildProcess }> {
  const child = spawn(process.execPath, [mainPath], { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] })
  let written = ''
  child.stdout?.on('data', (bytes: Buffer) => {
    written += bytes.toString()
  })
  const peer = new Peer(socketChannel(child.stdio[3] as Socket))
  const exited = once(child, 'exit')
  const scene = sceneOf(peer, change, () => written)
  const greeted = new Promise<void>((resolve) => peer.onNotice('$/hello', () => resolve()))
  const died = exited.then(() => Promise.reject(new Error(`The service ended: ${written}`)))
  died.catch(() => {})
  await Promise.race([greeted.then(() => peer.control('$/ping', 15_000)), died])
  return {
    ...scene,
    child,
    async close() {
      peer.close()
      await exited
      rmSync(scene.workspace, { recursive: true, force: true })
    },
  }
}

function sceneOf(peer: Peer, change: Partial<BrowserSettings> | undefined, log: () => string) {
  const workspace = mkdtempSync(join(tmpdir(), 'keel-browsed-'))
  const settings: BrowserSettings = {
    executable_path: null,
    headless: true,
    cdp_port: 0,
    allowed_hosts: [],
    workspace,
    idle_ms: 600_000,
    ...change,
  }
  const states: BrowserState[] = []
  const profiles = new Map<string, string>()
  peer.serve(kernelForBrowser, {
    start: () => settings,
    loadProfile: ({ profile }) => ({ state: profiles.get(profile) ?? null }),
    saveProfile({ profile, state }) {
      profiles.set(profile, state)
      return null
    },
    reportState(state) {
      states.push(state)
      return null
    },
  })
  const browser = peer.connect(browserService)
  const act: RunningBrowserService['act'] = (action, fields = {}, options = {}) => {
    const { session = 'default', profile = null, timeoutMs = actionMs, signal } = options
    const request = { session, profile, action, fields: fields as Record<string, never>, timeout_ms: timeoutMs }
    return browser.act(request, signal && { signal })
  }
  const done: RunningBrowserService['done'] = async (action, fields, options) => {
    const { success, data, error } = await act(action, fields, options)
    if (!success || !data) throw new Error(`${action} failed: ${error}`)
    return data
  }
  return { browser, settings, workspace, states, profiles, act, done, log }
}
