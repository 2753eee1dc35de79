import { setImmediate as nextTick } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Browser } from './browser/browser.ts'
import type { Channels } from './channels/channels.ts'
import type { EventBus } from './events/bus.ts'
import type { HomeLock } from './home-lock.ts'
import type { HttpServer } from './http/server.ts'
import type { EventSockets } from './http/websocket.ts'
import type { CostLedger } from './inference/cost-ledger.ts'
import type { LiveLogFeed } from './logs/log-feed.ts'
import type { Memory } from './memory/memory.ts'
import type { Replays } from './observatory/replay/replays.ts'
import type { Scheduler } from './scheduler/scheduler.ts'
import type { Store } from './store/store.ts'
import type { Supervisor } from './supervisor/supervisor.ts'
import type { MetricsSwitch } from './telemetry/metrics-switch.ts'
import type { Telemetry } from './telemetry/telemetry.ts'
import type { TurnRunner } from './turns/turn-runner.ts'

/** How long each part of a stop may take, in milliseconds; together they stay under ten seconds. */
const stopMs = { turns: 4_000, requests: 1_500, channels: 1_000, browser: 1_500, services: 1_500, spans: 500 }
/**
 * The same for a kernel that makes room for another: first all are served, then for `requests` those who have already
 * asked, then nobody until the next one is there.
 */
const handoverMs = {
  windDown: 4_000,
  requests: 4_000,
  channels: 500,
  browser: 500,
  sockets: 250,
  services: 0,
  spans: 250,
  lastAnswers: 250,
}

const serviceRestartCode = 1012

/** What a running kernel has open. */
interface Parts {
  server: HttpServer
  sockets: EventSockets
  turns: TurnRunner
  replays: Pick<Replays, 'close'>
  memory: Pick<Memory, 'close'>
  scheduler: Pick<Scheduler, 'close'>
  channels: Pick<Channels, 'close'>
  browser: Pick<Browser, 'close'>
  supervisor: Supervisor
  costs: CostLedger
  bus: EventBus
  store: Store
  log: Logger
  feed: LiveLogFeed
  lock: HomeLock
  telemetry: Pick<Telemetry, 'close'>
  metrics: Pick<MetricsSwitch, 'close'>
  stopHousekeeping: () => void
  /** Closes what watches folders and waits for people. */
  closeGuests: () => Promise<void>
  closeLog: () => Promise<void>
}

/** The two ways in which a kernel ends; after either, nothing of it is open. */
export function kernelEndings(parts: Parts) {
  const {
    server,
    sockets,
    turns,
    replays,
    memory,
    scheduler,
    channels,
    browser,
    supervisor,
    costs,
    bus,
    store,
    log,
    feed,
    lock,
    telemetry,
    metrics,
    stopHousekeeping,
    closeGuests,
    closeLog,
  } = parts

  async function release(servicesMs: number, spansMs: number): Promise<void> {
    await closeGuests()
    await supervisor.close(servicesMs)
    // What they have told last is taken a moment later.
    await nextTick()
    await telemetry.close(spansMs)
    costs.close()
    metrics.close()
    bus.close()
    await store.close()
    log.info('Keel has stopped')
    await closeLog()
    lock.release()
  }

  return {
    async stop(reason: string): Promise<void> {
      log.info({ reason }, 'Keel is stopping')
      stopHousekeeping()
      const serverClosed = server.close(stopMs.turns + stopMs.requests)
      await Promise.all([scheduler.close(stopMs.turns), turns.close(stopMs.turns)])
      replays.close()
      // What was answered in the end may still be sent.
      await channels.close(stopMs.channels)
      await Promise.all([memory.close(), browser.close(stopMs.browser)])
      await sockets.close()
      await serverClosed
      await release(stopMs.services, stopMs.spans)
    },

    /** Serves for as long as it can, for another kernel that waits. Returns when it stopped accepting, in milliseconds since 1970. */
    async letGo(): Promise<number> {
      log.info('Keel makes room for a new kernel')
      stopHousekeeping()
      await server.windDown(handoverMs.windDown)
      const stoppedAt = Date.now()
      await server.stopAccepting(handoverMs.requests)
      // From here on nobody waits but those whose requests take too long.
      await scheduler.close(0)
      await turns.close(0)
      replays.close()
      await channels.close(handoverMs.channels)
      await Promise.all([memory.close(), browser.close(handoverMs.browser)])
      feed.close()
      await sockets.close({ code: serviceRestartCode, reason: 'service restart', graceMs: handoverMs.sockets })
      await supervisor.close(handoverMs.services)
      await server.close(handoverMs.lastAnswers)
      await release(handoverMs.services, handoverMs.spans)
      return stoppedAt
    },
  }
}
