import type { Logger } from 'pino'
import type { ServiceSetup } from '#sdk/rpc/run-service.ts'
import type { Client } from '#sdk/service.ts'
import type { channelsService } from '#sdk/services/channels.ts'
import type { kernelForChannels } from '#sdk/services/kernel.ts'
import { type AdapterModules, adapterModules } from './adapters.ts'
import { notConfigured, RunningAdapters } from './host/running-adapters.ts'
import { type ChannelTimes, channelTimes } from './times.ts'

export interface ChannelTools {
  modules?: AdapterModules
  times?: ChannelTimes
}

/** Builds the service from the settings that the kernel holds. */
export async function createChannels(
  kernel: Client<typeof kernelForChannels>,
  log: Logger,
  { modules = adapterModules, times = channelTimes }: ChannelTools = {},
): Promise<ServiceSetup<typeof channelsService>> {
  const running = new RunningAdapters({ kernel, log, modules, times })
  await running.configure(await kernel.start({}))
  return {
    handlers: {
      async configure(settings) {
        await running.configure(settings)
        return null
      },
      status: () => ({ adapters: running.states() }),
      async restart({ channel }) {
        await running.restart(channel)
        return null
      },
      parse: ({ channel, ...asked }, context) => running.load(channel).parse(asked, context),
      send({ channel, ...message }, context) {
        const adapter = running.find(channel)
        // It may be configured again before the message has had all its tries.
        if (!adapter) return { status: 'retry', error: notConfigured(channel), code: null, retry_after_ms: null }
        return adapter.send(message, context)
      },
      draft: ({ channel, ...asked }, context) => running.load(channel).draft(asked, context),
      async typing({ channel, ...asked }, context) {
        await running.find(channel)?.typing(asked, context)
        return null
      },
      async answerPress({ channel, ...asked }, context) {
        await running.find(channel)?.answerPress(asked, context)
        return null
      },
      fetchMedia: ({ channel, ...asked }, context) => running.load(channel).fetchMedia(asked, context),
      check({ channel }, context) {
        const adapter = running.find(channel)
        return adapter ? adapter.check(context) : { ok: false, identity: null, error: notConfigured(channel) }
      },
    },
    close: () => running.stop(),
  }
}
