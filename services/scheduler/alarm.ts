import type { SchedulerContext } from './context.ts'

/** A sleep that others may end. */
export class Alarm {
  #rung = new AbortController()
  readonly #context: Pick<SchedulerContext, 'clock' | 'closing'>

  constructor(context: Pick<SchedulerContext, 'clock' | 'closing'>) {
    this.#context = context
  }

  /** Ends the sleep under way, or else the next one before it begins. */
  ring(): void {
    this.#rung.abort()
  }

  async sleep(ms: number): Promise<void> {
    const { clock, closing } = this.#context
    await clock.sleep(ms, AbortSignal.any([closing, this.#rung.signal]))
    this.#rung = new AbortController()
  }
}
