import type { Config } from '#kernel/config/schema.ts'
import type { OutboxCounts } from '#kernel/store/channel-outbox.ts'
import { type PlatformName, platformName, platforms } from '#sdk/channels/platforms.ts'
import type { ChannelStatus } from '#sdk/contracts/channels.ts'
import type { AdapterState } from '#sdk/services/channels.ts'

/** Messages since the start. */
export interface MessageCounts {
  received: number
  sent: number
}

interface Known {
  config: Config
  isConfigured: (channel: PlatformName) => boolean
  /** Why a channel that somebody has begun to set up can not run. */
  problemOf: (channel: PlatformName) => string | undefined
  stateOf: (channel: PlatformName) => AdapterState | undefined
  countsOf: (channel: PlatformName | 'web') => MessageCounts
  outbox: Map<string, OutboxCounts>
}

/** Every channel there could be: the API itself first, then the platforms by name, then other agents. */
export function channelStatuses(known: Known): ChannelStatus[] {
  const web = known.countsOf('web')
  const names = platformName.options.toSorted()
  return [
    { ...local('web', true), messages_received: web.received, messages_sent: web.sent },
    ...names.map((name) => platformStatus(name, known)),
    { ...local('a2a', known.config.a2a.enabled), sessions_active: 0 },
  ]
}

function local(name: string, connected: boolean): ChannelStatus {
  return {
    name,
    connected,
    configured: connected,
    messages_received: 0,
    messages_sent: 0,
    last_error: null,
    last_activity: null,
    mode: 'local',
    queue_depth: 0,
    dead_letters: 0,
  }
}

function platformStatus(name: PlatformName, known: Known): ChannelStatus {
  const configured = known.isConfigured(name)
  const state = configured ? known.stateOf(name) : undefined
  const { received, sent } = known.countsOf(name)
  const { open = 0, dead = 0 } = known.outbox.get(name) ?? {}
  const { markup, text, fileBytes, threads, edits, typing, buttons, groups, idempotency, modes } = platforms[name]
  return {
    name,
    connected: state?.state === 'connected',
    configured,
    messages_received: received,
    messages_sent: sent,
    last_error: known.problemOf(name) ?? state?.last_error ?? null,
    last_activity: state?.last_activity ?? null,
    mode: state?.mode ?? modes[0] ?? 'polling',
    queue_depth: open,
    dead_letters: dead,
    capabilities: {
      markup,
      text_most: text.most,
      text_unit: text.unit,
      file_bytes: fileBytes,
      threads,
      edits,
      typing,
      buttons,
      groups,
      idempotency,
    },
  }
}
