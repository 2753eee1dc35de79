import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { type PlatformName, platformName, platforms } from '#sdk/channels/platforms.ts'
import { RuntimeError } from '#sdk/errors.ts'
import type { Client } from '#sdk/service.ts'
import type { AdapterState, ChannelSettings } from '#sdk/services/channels.ts'
import type { kernelForChannels } from '#sdk/services/kernel.ts'
import type { AdapterBrief } from '../adapter-contract.ts'
import type { AdapterModules } from '../adapters.ts'
import type { ChannelTimes } from '../times.ts'
import { HostedAdapter } from './hosted-adapter.ts'

export interface RunningOptions {
  kernel: Client<typeof kernelForChannels>
  log: Logger
  modules: AdapterModules
  times: ChannelTimes
}

/** The adapters that are to run, each started, stopped and replaced alone. */
export class RunningAdapters {
  readonly #options: RunningOptions
  readonly #running = new Map<PlatformName, HostedAdapter>()
  /** When the last of each name has ended. */
  readonly #ended = new Map<PlatformName, Promise<void>>()

  constructor(options: RunningOptions) {
    this.#options = options
  }

  /** Settles once those that are not to go on have ended. */
  async configure(settings: ChannelSettings): Promise<void> {
    await Promise.all(
      platformName.options.map(async (name) => {
        const brief = this.#briefOf(name, settings)
        if (!isDeepStrictEqual(this.#running.get(name)?.brief, brief)) await this.#replace(name, brief)
      }),
    )
  }

  async restart(name: PlatformName): Promise<void> {
    await this.#replace(name, this.load(name).brief)
  }

  find(name: PlatformName): HostedAdapter | undefined {
    return this.#running.get(name)
  }

  load(name: PlatformName): HostedAdapter {
    const adapter = this.#running.get(name)
    if (!adapter) throw new RuntimeError('not_found', notConfigured(name))
    return adapter
  }

  states(): AdapterState[] {
    return [...this.#running.values()].map(({ state }) => state)
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running.values()].map((adapter) => adapter.stop()))
  }

  async #replace(name: PlatformName, brief: AdapterBrief | undefined): Promise<void> {
    const { kernel, log, times } = this.#options
    const old = this.#running.get(name)
    const ended = Promise.all([this.#ended.get(name), old?.stop()]).then(() => {})
    this.#ended.set(name, ended)
    if (brief) this.#running.set(name, new HostedAdapter({ brief, kernel, log, times, after: ended }))
    else this.#running.delete(name)
    await ended
    // One that was put in its place meanwhile speaks for itself.
    if (old && !this.#running.has(name))
      await kernel.reportAdapter({ ...old.state, state: 'stopped', last_error: null, failures: 0 })
  }

  #briefOf(name: PlatformName, { adapters, agent_name, allowed_hosts }: ChannelSettings): AdapterBrief | undefined {
    const settings = adapters[name]
    if (!settings) return undefined
    return { name, module: this.#options.modules[name], settings, agentName: agent_name, allowedHosts: allowed_hosts }
  }
}

/** What is said of a channel that is not to run. */
export function notConfigured(name: PlatformName): string {
  return `${platforms[name].title} is not configured`
}
