import type { LiveConfig } from '#kernel/config/live-config.ts'
import { Metrics, type MetricsDeps } from './metrics.ts'

/** The metrics while they are wanted; what happens meanwhile is counted from when they are. */
export class MetricsSwitch {
  readonly #config: Pick<LiveConfig, 'current'>
  readonly #deps: MetricsDeps
  #metrics: Metrics | undefined
  #following: Promise<void> = Promise.resolve()

  constructor(config: Pick<LiveConfig, 'current'>, deps: MetricsDeps) {
    this.#config = config
    this.#deps = deps
  }

  get current(): Metrics | undefined {
    return this.#metrics
  }

  /** Brings the setting of this moment into effect; settles when it has. */
  follow(): Promise<void> {
    this.#following = this.#following.then(async () => {
      const isWanted = this.#config.current().telemetry.metrics
      if (isWanted === (this.#metrics !== undefined)) return
      if (isWanted) this.#metrics = await Metrics.open(this.#deps)
      else this.close()
    })
    return this.#following
  }

  close(): void {
    this.#metrics?.close()
    this.#metrics = undefined
  }
}
