import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { type Logger, pino } from 'pino'
import { createApp } from '#kernel/http/app.ts'
import { createGate, type GateSettings } from '#kernel/http/gate.ts'
import type { Areas, MountOptions } from '#kernel/http/mount.ts'
import { OriginPolicy, type OriginSettings } from '#kernel/http/origin.ts'
import { type RateLimitSettings, RateLimits } from '#kernel/http/rate-limits.ts'
import { createHttpServer, type HttpServer, type UpgradeListener } from '#kernel/http/server.ts'
import type { RouteTable } from '#sdk/route.ts'

export const testKey = 'test-key-0123456789'

/** What a test may change while the server runs. */
export interface TestSettings extends RateLimitSettings {
  apiKey: string
  trustedProxyCidrs: string[]
  hosts: string[]
  allowedOrigins: string[]
}

export interface HttpKernelParts {
  gate: ReturnType<typeof createGate>
  origins: OriginPolicy
  log: Logger
  settings: TestSettings
}

export interface HttpKernel {
  url: string
  port: number
  server: HttpServer
  settings: TestSettings
  rateLimits: RateLimits
  close(): Promise<void>
}

/** The HTTP shell on a free port of loopback, around the areas of a test. */
export async function startHttpKernel<T extends Record<string, RouteTable>, C>(
  areas: Areas<T, C>,
  context: C,
  options: Partial<Pick<MountOptions<C>, 'pending' | 'unlimited' | 'publicFile'>> & {
    settings?: Partial<TestSettings>
    log?: Logger
    upgrade?: (parts: HttpKernelParts) => UpgradeListener
  } = {},
): Promise<HttpKernel> {
  const settings: TestSettings = {
    apiKey: testKey,
    trustedProxyCidrs: [],
    hosts: [],
    allowedOrigins: [],
    windowSeconds: 60,
    global: 10_000,
    perIp: 10_000,
    perActor: 10_000,
    operatorSkipsGlobal: true,
    ...options.settings,
  }
  const { log = pino({ enabled: false }), upgrade, ...mountOptions } = options
  const originSettings: OriginSettings = {
    port: () => server.port,
    hosts: () => settings.hosts,
    allowedOrigins: () => settings.allowedOrigins,
    corsMaxAgeSeconds: () => 3600,
  }
  const gateSettings: GateSettings = {
    apiKey: () => settings.apiKey,
    trustedProxyCidrs: () => settings.trustedProxyCidrs,
  }
  const rateLimits = new RateLimits(() => settings)
  const gate = createGate(gateSettings, rateLimits)
  const origins = new OriginPolicy(originSettings)
  const handle = createApp<T, C>({ areas, context, gate, origins, log, ...mountOptions })
  const refuseUpgrade: UpgradeListener = (_, socket) => socket.destroy()
  const server: HttpServer = createHttpServer({
    handle,
    upgrade: upgrade?.({ gate, origins, log, settings }) ?? refuseUpgrade,
  })
  const { url, port } = await server.listen({ host: '127.0.0.1', port: 0 })
  return { url, port, server, settings, rateLimits, close: () => server.close(200) }
}

export interface PlainAnswer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

export interface PlainRequest {
  method?: string
  path?: string
  headers?: Record<string, string | string[]>
  body?: string | Buffer
}

/** A request through node:http, which lets a test set every header, the Host too. */
export function send(
  port: number,
  { method = 'GET', path = '/', headers = {}, body }: PlainRequest,
): Promise<PlainAnswer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      readText(response).then(
        (text) => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        reject,
      )
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** What comes back for these very bytes, until the server ends the connection. */
export async function sendRaw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(bytes)
  return readText(socket)
}
