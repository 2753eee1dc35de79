import { workerData } from 'node:worker_threads'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { keepCompiledCode } from '#sdk/keep-compiled.ts'
import { serviceLog } from '#sdk/log.ts'
import { Peer } from '#sdk/rpc/peer.ts'
import { portChannel } from '#sdk/rpc/port-channel.ts'
import { channelsService } from '#sdk/services/channels.ts'
import type { AdapterHost, CreateAdapter } from './adapter.ts'
import { adapterService, hostForAdapter, type Pulse, type ThreadStart } from './adapter-contract.ts'
import type { AdapterModule } from './adapters.ts'
import { errorTextFor } from './error-text.ts'
import { readFileFrom } from './worker/read-file.ts'
import { Reception } from './worker/reception.ts'
import { serveAdapter } from './worker/serve-adapter.ts'
import { UpdateIntake } from './worker/update-intake.ts'

/* The whole of one adapter's thread. What goes wrong here ends the thread, and the host starts another. */

const { brief, times, port } = workerData as ThreadStart
const { name, settings, agentName, allowedHosts } = brief
const log = serviceLog(channelsService.name).child({ channel: name })
const errorText = errorTextFor(settings)
const closing = new AbortController()

const peer = new Peer(portChannel(port), {
  onFault: (message) => log.error(message),
  onHandlerFailure: (method, cause) => log.error({ reason: errorText(cause) }, `${method} failed`),
})
const host = peer.connect(hostForAdapter)
const intake = new UpdateIntake({ host, times, log, signal: closing.signal })
const reception = new Reception({
  times,
  errorText,
  report: (state) => void host.report({ ...state, mode: adapter.mode }),
})
const create = await loadAdapter(brief.module)
const adapterHost: AdapterHost = {
  log,
  agentName,
  allowedHosts,
  cursor: async () => (await host.cursor({})).cursor,
  accept: (updates, cursor) => intake.accept(updates, cursor),
  connected: () => reception.connected(),
  readFile: readFileFrom(host),
}
const adapter = create(settings, adapterHost)

peer.answerControl('$/ping', (): Pulse => {
  const { external } = process.memoryUsage()
  return { external_bytes: external, last_activity: reception.lastActivity }
})
peer.serve(adapterService, serveAdapter({ adapter, platform: name, times, errorText, log }))
peer.notify('$/hello', { mode: adapter.mode })
keepCompiledCode()
const received = reception.run((signal) => {
  intake.reopen()
  return adapter.receive(signal)
}, closing.signal)
peer.answerControl('$/stop', async () => {
  closing.abort()
  await received
})

async function loadAdapter({ url, create }: AdapterModule): Promise<CreateAdapter<PlatformName>> {
  const exported: unknown = (await import(url))[create]
  if (typeof exported !== 'function') throw new Error(`${url} does not export ${create}`)
  return exported as CreateAdapter<PlatformName>
}
