import { areas, unlimitedRoutes } from './areas/areas.ts'
import { pendingRoutes } from './areas/pending.ts'
import { watchableTopics } from './areas/topics.ts'
import { LiveView } from './browser/live-view.ts'
import type { Context } from './context.ts'
import { createApp } from './http/app.ts'
import { createGate } from './http/gate.ts'
import { OriginPolicy } from './http/origin.ts'
import { createHttpServer, type HttpServer } from './http/server.ts'
import { createEventSockets, type EventSockets } from './http/websocket.ts'
import { currentApiKey } from './secrets/api-key.ts'
import { gaugeReaders } from './telemetry/gauges.ts'
import { MetricsSwitch } from './telemetry/metrics-switch.ts'
import { watchRequests } from './telemetry/request-watch.ts'
import type { ExportCounts } from './telemetry/span-exporter.ts'

/** Where callers come in, over HTTP and over sockets, past one gate. */
export interface FrontDoor {
  server: HttpServer
  sockets: EventSockets
  metrics: MetricsSwitch
}

/** All of it but for listening. */
export async function openFrontDoor(context: Context, spans: ExportCounts): Promise<FrontDoor> {
  const { version, home, config, store, bus, log, browser, toolbox, rateLimits, tickets } = context
  const gate = createGate(
    {
      apiKey: () => currentApiKey(home, config.current()),
      trustedProxyCidrs: () => config.current().server.trusted_proxy_cidrs,
    },
    rateLimits,
  )
  const origins = new OriginPolicy({
    port: () => server.port,
    hosts: () => [config.current().server.bind],
    allowedOrigins: () => config.current().cors.allowed_origins,
    corsMaxAgeSeconds: () => config.current().cors.max_age_seconds,
  })
  const sockets = createEventSockets({
    bus,
    gate,
    origins,
    tickets,
    topics: watchableTopics(context),
    talks: [new LiveView({ browser, log })],
    version,
    log,
  })
  const readers = gaugeReaders({ ...context, sockets, spans })
  const metrics = new MetricsSwitch(config, { bus, toolbox, log, readers })
  await metrics.follow()
  const handle = createApp({
    areas,
    context,
    gate,
    origins,
    log,
    pending: new Set(pendingRoutes),
    unlimited: unlimitedRoutes,
    beforeChange: () => store.free(),
    watch: watchRequests(() => metrics.current),
  })
  const server = createHttpServer({ handle, upgrade: sockets.upgrade })
  return { server, sockets, metrics }
}
