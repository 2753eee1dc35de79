import type { SavedBreaker } from '#sdk/services/inference.ts'
import { type BreakerSettings, type BreakerTools, CircuitBreaker } from './circuit-breaker.ts'

/** The breakers of all providers; one is made when its provider is first asked for. */
export class Breakers {
  readonly #byProvider = new Map<string, CircuitBreaker>()
  readonly #tools: BreakerTools
  #settings: BreakerSettings

  constructor(settings: BreakerSettings, saved: SavedBreaker[], tools: BreakerTools) {
    this.#settings = settings
    this.#tools = tools
    for (const breaker of saved) {
      this.#byProvider.set(breaker.provider, new CircuitBreaker(breaker.provider, settings, tools, breaker))
    }
  }

  of(provider: string): CircuitBreaker {
    const known = this.#byProvider.get(provider)
    if (known) return known
    const breaker = new CircuitBreaker(provider, this.#settings, this.#tools)
    this.#byProvider.set(provider, breaker)
    return breaker
  }

  find(provider: string): CircuitBreaker | undefined {
    return this.#byProvider.get(provider)
  }

  names(): string[] {
    return [...this.#byProvider.keys()]
  }

  configure(settings: BreakerSettings): void {
    this.#settings = settings
    for (const breaker of this.#byProvider.values()) breaker.configure(settings)
  }
}
