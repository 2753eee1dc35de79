import type { Exchange } from '#sdk/services/memory.ts'
import type { MemorySource } from '#sdk/services/memory-entry.ts'

export interface Voice {
  source: MemorySource
  trusted: boolean
}

/** Who speaks in the message of a turn. Only the Creator's own words are trusted. */
export function voiceOf(authority: Exchange['authority']): Voice {
  switch (authority) {
    case 'Creator':
      return { source: 'user', trusted: true }
    case 'SelfGenerated':
      return { source: 'agent', trusted: false }
    case 'Peer':
      return { source: 'peer', trusted: false }
    case 'External':
      return { source: 'stranger', trusted: false }
  }
}

/** The agent repeats what it was told: what a tool or a stranger said is not made true by it. */
export function voiceOfAnswer({ authority, tools }: Pick<Exchange, 'authority' | 'tools'>): Voice {
  return { source: 'agent', trusted: authority === 'Creator' && tools.length === 0 }
}

/** Blocked words are not kept at all: they were refused for what they are. */
export function isKept(status: string): boolean {
  return status !== 'blocked'
}

/** Where a turn ended otherwise, its answer is about the failure. */
export function isAnswered(status: string): boolean {
  return status === 'ok' || status === 'limit' || status === 'appended'
}
