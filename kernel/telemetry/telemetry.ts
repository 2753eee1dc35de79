import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { LiveConfig } from '#kernel/config/live-config.ts'
import type { SpanBatch } from '#sdk/telemetry/span-batch.ts'
import { keepSpans } from '#sdk/telemetry/tracing.ts'
import { type ExportSettings, exportSettings, isUnusableEndpoint } from './settings.ts'
import { type ExportCounts, openSpanExporter, type SpanExporter, type SpanSource } from './span-exporter.ts'

/** How long an exporter that is replaced may take for its last spans, in milliseconds. */
const replaceMs = 2_000

export interface TelemetryDeps {
  config: LiveConfig
  env: NodeJS.ProcessEnv
  version: string
  log: Logger
}

/** The spans of all processes, and where they go. */
export class Telemetry {
  readonly counts: ExportCounts = { exported: 0, dropped: 0, failed: 0 }
  readonly #deps: TelemetryDeps
  #settings: ExportSettings | undefined
  #exporter: SpanExporter | undefined
  #stopKeeping = () => {}
  #configuring: Promise<void> = Promise.resolve()

  constructor(deps: TelemetryDeps) {
    this.#deps = deps
    const { env, log, config } = deps
    if (config.current().telemetry.otlp_endpoint === null && isUnusableEndpoint(env.OTEL_EXPORTER_OTLP_ENDPOINT))
      log.warn('OTEL_EXPORTER_OTLP_ENDPOINT is no http(s) URL without a user name: no traces are sent')
  }

  /** Brings the settings of this moment into effect; settles when it has. Spans that waited go where they should have gone. */
  configure(): Promise<void> {
    this.#configuring = this.#configuring.then(() => this.#apply())
    return this.#configuring
  }

  /** What a service says about its own work; passed over where nothing is exported. */
  takeSpans(source: SpanSource, { spans, dropped }: SpanBatch): void {
    if (!this.#exporter) return
    this.counts.dropped += dropped
    for (const span of spans) this.#exporter.add(span, source)
  }

  async close(ms: number): Promise<void> {
    await this.#configuring
    this.#stopKeeping()
    await this.#exporter?.close(ms)
    this.#exporter = undefined
  }

  async #apply(): Promise<void> {
    const { config, env, version, log } = this.#deps
    const settings = exportSettings(config.current().telemetry, env)
    if (isDeepStrictEqual(settings, this.#settings)) return
    const old = this.#exporter
    try {
      const exporter = settings && (await openSpanExporter(settings, { version, log, counts: this.counts }))
      this.#stopKeeping()
      this.#settings = settings
      this.#exporter = exporter
      if (settings && exporter) {
        const { sampleRatio, capturesContent } = settings
        const source = { service: null, pid: process.pid }
        this.#stopKeeping = keepSpans({ sink: (record) => exporter.add(record, source), sampleRatio, capturesContent })
      }
    } catch (err) {
      log.error({ err }, 'traces can not be exported')
      return
    }
    // Its last spans are sent beside everything else.
    void old?.close(replaceMs)
  }
}
