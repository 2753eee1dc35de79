import type { IncomingMessage } from 'node:http'
import { actorOf, createKeyCheck, presentedCredential, unauthorized, WrongKeys } from './auth.ts'
import { clientIp, isLoopback } from './client-ip.ts'
import type { RateLimits } from './rate-limits.ts'

/** Who is asking, as far as the server knows. */
export interface Caller {
  /** Came with the right key or a ticket. */
  authenticated: boolean
  /** Names the key that was used; absent for strangers. */
  actor: string | undefined
  ip: string
  loopback: boolean
}

export interface GateSettings {
  /** The key of this moment. */
  apiKey(): string
  trustedProxyCidrs(): readonly string[]
}

export interface GateRules {
  /** Strangers may pass. */
  isPublic: boolean
  /** False: not counted by the rate limits. */
  isCounted: boolean
  /** The request is known to be good by other means, such as a one-use ticket. */
  hasTicket?: boolean
}

/** The one place that says who may pass, for requests and for WebSockets. */
export interface Gate {
  /** Throws `unauthorized` or `rate_limited`. */
  admit(request: IncomingMessage, rules: GateRules): Caller
}

export function createGate(settings: GateSettings, rateLimits: RateLimits, now: () => number = Date.now): Gate {
  const isCurrentKey = createKeyCheck(() => settings.apiKey())
  const wrongKeys = new WrongKeys(now)

  return {
    admit(request, { isPublic, isCounted, hasTicket = false }) {
      const ip = clientIp(request, settings.trustedProxyCidrs())
      const loopback = isLoopback(ip)
      const credential = presentedCredential(request.headers)
      const hasKey = credential !== undefined && isCurrentKey(credential)
      if (credential && !hasKey) {
        const refusal = wrongKeys.count(ip)
        if (!isPublic && !hasTicket) throw refusal
      }
      const actor = hasKey ? actorOf(credential) : hasTicket ? 'ticket' : undefined
      if (isCounted) rateLimits.admit({ ip, actor, loopback })
      if (!isPublic && actor === undefined) throw unauthorized()
      return { authenticated: actor !== undefined, actor, ip, loopback }
    },
  }
}
