import type { Logger } from 'pino'
import type { events } from '#sdk/events.ts'
import { type LiveConfig, openConfig } from './config/live-config.ts'
import { createEventBus, type EventBus } from './events/bus.ts'
import { type Home, readSecretKey } from './home.ts'
import type { LiveLogFeed } from './logs/log-feed.ts'
import { openLogger } from './logs/logger.ts'
import { sealedRows } from './secrets/sealed-rows.ts'
import { openSealedStore, type SealedStore } from './secrets/sealed-store.ts'
import { openStore, type Store } from './store/store.ts'
import { faultText } from './store/store-fault.ts'
import { Telemetry } from './telemetry/telemetry.ts'

/** What everything else stands on. */
export interface Foundation {
  config: LiveConfig
  log: Logger
  feed: LiveLogFeed
  setLevel: Awaited<ReturnType<typeof openLogger>>['setLevel']
  closeLog: () => Promise<void>
  telemetry: Telemetry
  store: Store
  secrets: SealedStore
  bus: EventBus
}

/** Opens it in order; `undo` is told how each part is closed. */
export async function openFoundation(
  home: Home,
  { env, version, undo }: { env: NodeJS.ProcessEnv; version: string; undo: (() => unknown)[] },
): Promise<Foundation> {
  const config = openConfig(home, env)
  const {
    log,
    feed,
    setLevel,
    close: closeLog,
  } = await openLogger({
    dir: config.current().server.log_dir,
    level: config.current().agent.log_level,
    maxDays: config.current().server.log_max_days,
    env,
  })
  undo.push(closeLog)
  for (const warning of config.warnings()) log.warn(warning)
  const telemetry = new Telemetry({ config, env, version, log })
  undo.push(() => telemetry.close(0))
  await telemetry.configure()

  const store = openStore(config.current().database.path, {
    onFault: (err) => log.error({ err }, 'work on the database failed'),
    onChange: (fault, err) =>
      fault ? log.error({ err, fault }, faultText[fault]) : log.info('the database takes writes again'),
  })
  undo.push(() => store.close())
  const secrets = openSealedStore(sealedRows(store), readSecretKey(home))
  config.useSecrets(secrets)
  const bus = createEventBus<typeof events>({ db: store.write, log })
  undo.push(() => bus.close())
  return { config, log, feed, setLevel, closeLog, telemetry, store, secrets, bus }
}
