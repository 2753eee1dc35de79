import { RuntimeError } from '#sdk/errors.ts'
import { WindowCounter } from './window-counter.ts'

const maxIps = 10_000
const maxActors = 5_000
const topEntries = 10

/** Requests a window, as the configuration has them now. */
export interface RateLimitSettings {
  windowSeconds: number
  global: number
  perIp: number
  perActor: number
  /** The operator on this machine does not use up what the whole server may take. */
  operatorSkipsGlobal: boolean
}

export interface RateLimitRequest {
  ip: string
  /** Names the valid key that was used; absent for strangers. */
  actor: string | undefined
  loopback: boolean
}

/** The body of `GET /api/stats/throttle`. */
export interface ThrottleStats {
  window_secs: number
  global_count: number
  global_capacity: number
  per_ip_capacity: number
  per_actor_capacity: number
  throttled_global: number
  active_ips: number
  active_actors: number
  top_throttled_ips: [ip: string, count: number][]
  top_throttled_actors: [actor: string, count: number][]
}

/** Fixed windows for the whole server, each address and each actor. Settings are asked for on each request. */
export class RateLimits {
  readonly #settings: () => RateLimitSettings
  readonly #now: () => number
  // Strangers have a count of their own: they can not use up the operator's share behind the same address.
  readonly #operatorIps = new WindowCounter(maxIps)
  readonly #strangerIps = new WindowCounter(maxIps)
  readonly #actors = new WindowCounter(maxActors)
  #windowEnd = 0
  #global = 0
  #throttledGlobal = 0

  constructor(settings: () => RateLimitSettings, now: () => number = Date.now) {
    this.#settings = settings
    this.#now = now
  }

  /** Counts the request, or throws `rate_limited` with the seconds to the window's end. */
  admit({ ip, actor, loopback }: RateLimitRequest): void {
    const limits = this.#settings()
    this.#roll(limits)
    const counted = !(limits.operatorSkipsGlobal && loopback && actor !== undefined)
    if (counted && this.#global >= limits.global) {
      this.#throttledGlobal += 1
      throw this.#refusal()
    }
    const ips = actor === undefined ? this.#strangerIps : this.#operatorIps
    if (!ips.take(ip, limits.perIp)) throw this.#refusal()
    if (actor !== undefined && !this.#actors.take(actor, limits.perActor)) throw this.#refusal()
    if (counted) this.#global += 1
  }

  stats(): ThrottleStats {
    const limits = this.#settings()
    this.#roll(limits)
    const throttledIps = [...this.#operatorIps.mostRefused(topEntries), ...this.#strangerIps.mostRefused(topEntries)]
    return {
      window_secs: limits.windowSeconds,
      global_count: this.#global,
      global_capacity: limits.global,
      per_ip_capacity: limits.perIp,
      per_actor_capacity: limits.perActor,
      throttled_global: this.#throttledGlobal,
      active_ips: this.#operatorIps.size + this.#strangerIps.size,
      active_actors: this.#actors.size,
      top_throttled_ips: throttledIps.sort((left, right) => right[1] - left[1]).slice(0, topEntries),
      top_throttled_actors: this.#actors.mostRefused(topEntries),
    }
  }

  #roll({ windowSeconds }: RateLimitSettings) {
    const now = this.#now()
    if (now < this.#windowEnd) return
    this.#windowEnd = now + windowSeconds * 1000
    this.#global = 0
    this.#throttledGlobal = 0
    for (const counter of [this.#operatorIps, this.#strangerIps, this.#actors]) counter.clear()
  }

  #refusal(): RuntimeError {
    return tooManyRequests((this.#windowEnd - this.#now()) / 1000)
  }
}

export function tooManyRequests(retryAfterSeconds: number): RuntimeError {
  return new RuntimeError('rate_limited', 'rate_limit_exceeded', {
    message: 'Too many requests, please try again later',
    retry_after_seconds: Math.max(1, Math.ceil(retryAfterSeconds)),
  })
}
