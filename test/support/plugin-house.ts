import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Daemon, eventually, isAlive } from './daemon.ts'
import { answerWhenWell, pluginFiles, toolOf } from './plugin-faults.ts'
import { type Polled, startPoller } from './poller.ts'

/** A host of plugins, with walls or without. */
export interface PluginHost {
  /** What the tool of the plugin answers, in words. Throws when nobody answers. */
  call(plugin: string, input: { harm?: boolean }, signal?: AbortSignal): Promise<string>
  /** Throws when it does not answer that all is well. */
  health(signal?: AbortSignal): Promise<void>
  /** Whether the process of the host is the one that was started. */
  isUp(): boolean
}

export const neighbour = 'good-neighbour'
/** The host is watched for so many questions more: some harm comes late. */
const questionsAfter = 25
const healthWithinMs = 1_000
/** Room for a new process where the old one has to go. */
const neighbourWithinMs = 2_000

export interface Suffered {
  /** What the call that did harm was answered with; undefined when it was not. */
  told: string | undefined
  /** Until the plugin works again, in milliseconds from the harm; undefined when it does not within the deadline. */
  backAfterMs: number | undefined
  isUp: boolean
  health: Polled
  neighbour: Polled
}

/** One fault while its host is asked for its health, and another plugin for its work. */
export async function suffer(host: PluginHost, plugin: string, backWithinMs: number): Promise<Suffered> {
  const health = startPoller((signal) => host.health(signal), healthWithinMs)
  const beside = startPoller((signal) => callWell(host, neighbour, signal), neighbourWithinMs)
  const harmedAt = performance.now()
  const told = await host.call(plugin, { harm: true }, AbortSignal.timeout(backWithinMs)).catch(() => undefined)
  const isBack = await eventually('the plugin works', () => isWell(host, plugin), backWithinMs).then(
    () => true,
    () => false,
  )
  const backAfterMs = isBack ? performance.now() - harmedAt : undefined
  await Promise.all([health.goOn(questionsAfter), beside.goOn(questionsAfter)])
  return { told, backAfterMs, health: await health.stop(), neighbour: await beside.stop(), isUp: host.isUp() }
}

async function callWell(host: PluginHost, plugin: string, signal?: AbortSignal): Promise<void> {
  const answer = await host.call(plugin, {}, signal)
  if (answer !== answerWhenWell) throw new Error(`${plugin} answered: ${answer}`)
}

function isWell(host: PluginHost, plugin: string): Promise<boolean> {
  return callWell(host, plugin).then(
    () => true,
    () => false,
  )
}

/** Puts plugins into a folder, the good neighbour among them. */
export function writePlugins(folder: string, bodies: Readonly<Record<string, string>>): void {
  for (const [name, body] of Object.entries({ ...bodies, [neighbour]: '' })) {
    mkdirSync(join(folder, name), { recursive: true })
    for (const [file, text] of Object.entries(pluginFiles(name, body))) writeFileSync(join(folder, name, file), text)
  }
}

/** Keel with these plugins and the good neighbour, all of them at work. */
export async function keelWithPlugins(keel: Daemon, bodies: Readonly<Record<string, string>>): Promise<PluginHost> {
  writePlugins(join(keel.home, 'plugins'), bodies)
  const host: PluginHost = {
    async call(plugin, input, signal) {
      const path = `/api/plugins/${plugin}/execute/${toolOf(plugin)}`
      const headers = { 'content-type': 'application/json' }
      const response = await keel.fetch(path, { method: 'POST', headers, body: JSON.stringify(input), signal })
      const { result } = (await response.json()) as { result?: { output: string } }
      if (!result) throw new Error(`${path}: ${response.status}`)
      return result.output
    },
    async health(signal) {
      const response = await keel.fetch('/api/health', { signal })
      const { status } = (await response.json()) as { status: string }
      if (response.status !== 200 || status !== 'ok') throw new Error(`/api/health: ${response.status} ${status}`)
    },
    isUp: () => isAlive(keel.pid) && Number(readFileSync(join(keel.home, 'run', 'keel.pid'), 'utf8')) === keel.pid,
  }
  for (const plugin of [...Object.keys(bodies), neighbour])
    await eventually(`${plugin} works`, () => isWell(host, plugin), 20_000)
  return host
}
