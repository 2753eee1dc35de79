import type { LiveConfig } from '#kernel/config/live-config.ts'
import { Metrics, type MetricsDeps } from './metrics.ts'

/** The metrics while they are wanted. Switched off and on they go on where they were: what the library watches it watches for good. */
export class MetricsSwitch {
  readonly #config: Pick<LiveConfig, 'current'>
  readonly #deps: MetricsDeps
  #metrics: Metrics | undefined
  #isOn = false
  #following: Promise<void> = Promise.resolve()

  constructor(config: Pick<LiveConfig, 'current'>, deps: MetricsDeps) {
    this.#config = config
    this.#deps = deps
  }

  get current(): Metrics | undefined {
    return this.#isOn ? this.#metrics : undefined
  }

  /** Brings the setting of this moment into effect; settles when it has. */
  follow(): Promise<void> {
    this.#following = this.#following.then(async () => {
      this.#isOn = this.#config.current().telemetry.metrics
      if (this.#isOn) this.#metrics ??= await Metrics.open(this.#deps)
      if (this.#isOn) this.#metrics?.resume()
      else this.#metrics?.pause()
    })
    return this.#following
  }

  close(): void {
    this.#isOn = false
    this.#metrics?.close()
  }
}
