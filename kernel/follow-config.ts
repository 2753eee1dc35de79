import type { Logger } from 'pino'
import type { Client } from '#sdk/service.ts'
import type { toolsService } from '#sdk/services/tools.ts'
import { detached } from '#sdk/telemetry/tracing.ts'
import type { LiveConfig } from './config/live-config.ts'
import type { Context } from './context.ts'
import type { EventSockets } from './http/websocket.ts'
import { currentApiKey } from './secrets/api-key.ts'
import type { MetricsSwitch } from './telemetry/metrics-switch.ts'
import type { Telemetry } from './telemetry/telemetry.ts'
import { toolSettingsOf } from './tools/settings.ts'

const keyChangedCode = 1008

interface Followers
  extends Pick<
    Context,
    'home' | 'bus' | 'skills' | 'plugins' | 'memory' | 'scheduler' | 'channels' | 'browser' | 'supervisor' | 'tickets'
  > {
  log: Logger
  setLevel: (level: ReturnType<LiveConfig['current']>['agent']['log_level']) => void
  configureInference: () => Promise<unknown>
  tools: Client<typeof toolsService>
  sockets: Pick<EventSockets, 'closeAll'>
  telemetry: Pick<Telemetry, 'configure'>
  metrics: Pick<MetricsSwitch, 'follow'>
}

/** Brings a changed configuration into everything that runs, and tells of it. */
export function followConfig(
  config: LiveConfig,
  {
    home,
    bus,
    log,
    setLevel,
    skills,
    plugins,
    memory,
    scheduler,
    channels,
    browser,
    configureInference,
    tools,
    supervisor,
    tickets,
    sockets,
    telemetry,
    metrics,
  }: Followers,
): void {
  let apiKey = currentApiKey(home, config.current())
  async function follow(changed: string[], deferred: string[]): Promise<void> {
    setLevel(config.current().agent.log_level)
    await telemetry.configure()
    await metrics.follow()
    await skills.follow().catch((err) => log.error({ err }, 'the skills folder can not be used'))
    await plugins.follow().catch((err) => log.error({ err }, 'the plugins folder can not be used'))
    // A process that is not there now asks for its settings when it starts.
    await configureInference().catch((err) => log.warn({ err }, 'the inference service takes its settings later'))
    memory.configure()
    scheduler.configure()
    channels.configure()
    browser.configure()
    if (supervisor.status().some(({ name, state }) => name === 'tools' && state === 'ready'))
      await tools.configure(toolSettingsOf(config.current(), home.root))
    const key = currentApiKey(home, config.current())
    if (key !== apiKey) {
      apiKey = key
      tickets.clear()
      sockets.closeAll(keyChangedCode, 'the key has changed')
    }
    if (changed.length > 0) {
      const sections = [...new Set(changed.map((path) => path.split('.', 1)[0] ?? path))]
      bus.publish('config_updated', { sections, changed, deferred })
    }
  }

  // What is set up anew here outlasts whoever asked for the change.
  config.onChange((changed, deferred) => detached(() => follow(changed, deferred)))
}
