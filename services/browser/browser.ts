import type { Logger } from 'pino'
import type { Lookup } from '#sdk/egress/checked-addresses.ts'
import type { ServiceSetup } from '#sdk/rpc/run-service.ts'
import type { Client } from '#sdk/service.ts'
import type { browserService } from '#sdk/services/browser.ts'
import type { kernelForBrowser } from '#sdk/services/kernel.ts'
import { watchSession } from './screencast.ts'
import { Sessions } from './sessions.ts'

/** Builds the service from the settings that the kernel holds; the browser itself starts when it is needed first. */
export async function createBrowser(
  kernel: Client<typeof kernelForBrowser>,
  log: Logger,
  { lookup }: { lookup?: Lookup } = {},
): Promise<ServiceSetup<typeof browserService>> {
  let settings = await kernel.start({})
  const sessions: Sessions = new Sessions({
    settings: () => settings,
    profiles: {
      load: async (profile) => (await kernel.loadProfile({ profile })).state,
      save: async (profile, state) => void (await kernel.saveProfile({ profile, state })),
    },
    log,
    lookup,
    onChange: () => {
      sessions
        .state()
        .then((state) => kernel.reportState(state))
        .catch((err) => log.warn({ err }, 'the state of the browser could not be reported'))
    },
  })
  return {
    handlers: {
      configure(changed) {
        settings = changed
        return null
      },
      status: () => sessions.state(),
      start: () => sessions.start(),
      async stop() {
        await sessions.stop()
        return null
      },
      async closeSession({ session }) {
        await sessions.close(session)
        return null
      },
      act: (request, { signal }) => sessions.act(request, signal),
      async watch(wanted, { signal, emit }) {
        await watchSession(await sessions.find(wanted.session), wanted, { signal, emit })
        return null
      },
    },
    close: () => sessions.stop(),
  }
}
