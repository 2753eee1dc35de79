import type { z } from 'zod'
import type { capacityStatus, ProviderSettings } from '#sdk/services/inference.ts'

const windowSeconds = 60
const nearCapacityHeadroom = 0.1
const hotUtilization = 0.9
const hotRequests = 3
const hotTokens = 1024

type CapacityStatus = z.infer<typeof capacityStatus>

interface Second {
  at: number
  tokens: number
  requests: number
}

/** What each provider was asked for in the last 60 seconds, against its limits. */
export class Capacity {
  readonly #now: () => number
  readonly #seconds = new Map<string, Second[]>()

  constructor(now: () => number) {
    this.#now = now
  }

  /** Counts a call that begins with what it is expected to take; the answer corrects that by what it really took. */
  reserve(provider: string, expectedTokens: number): (realTokens: number) => void {
    const second = this.#second(provider)
    second.requests += 1
    second.tokens += expectedTokens
    return (realTokens) => {
      second.tokens += realTokens - expectedTokens
    }
  }

  status(settings: ProviderSettings): CapacityStatus {
    const { tpm_limit: tpmLimit, rpm_limit: rpmLimit } = settings
    let tokens = 0
    let requests = 0
    for (const second of this.#recent(settings.name)) {
      tokens += second.tokens
      requests += second.requests
    }
    const tokenUse = tpmLimit ? Math.min(tokens / tpmLimit, 1) : 0
    const requestUse = rpmLimit ? Math.min(requests / rpmLimit, 1) : 0
    const headroom = Math.min(1 - tokenUse, 1 - requestUse)
    const isHot = Math.max(tokenUse, requestUse) >= hotUtilization
    return {
      headroom,
      near_capacity: headroom < nearCapacityHeadroom,
      sustained_hot: isHot && (requests >= hotRequests || tokens >= hotTokens),
      tokens_used: tokens,
      requests_used: requests,
      tpm_limit: tpmLimit,
      rpm_limit: rpmLimit,
      token_utilization: tokenUse,
      request_utilization: requestUse,
    }
  }

  #second(provider: string): Second {
    const recent = this.#recent(provider)
    const at = Math.floor(this.#now() / 1000)
    const last = recent.at(-1)
    if (last?.at === at) return last
    const second = { at, tokens: 0, requests: 0 }
    recent.push(second)
    return second
  }

  #recent(provider: string): Second[] {
    const oldest = Math.floor(this.#now() / 1000) - windowSeconds
    const kept = (this.#seconds.get(provider) ?? []).filter(({ at }) => at > oldest)
    this.#seconds.set(provider, kept)
    return kept
  }
}
