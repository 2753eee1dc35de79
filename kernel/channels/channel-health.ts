import type { Config } from '#kernel/config/schema.ts'
import type { EventBus } from '#kernel/events/bus.ts'
import type { OutboxCounts } from '#kernel/store/channel-outbox.ts'
import { type Platform, type PlatformName, platformName, platforms } from '#sdk/channels/platforms.ts'
import type { ChannelStatus } from '#sdk/contracts/channels.ts'
import type { AdapterState } from '#sdk/services/channels.ts'

/** Messages since the start. */
interface MessageCounts {
  received: number
  sent: number
}

interface Known {
  config: Config
  isConfigured: (channel: PlatformName) => boolean
  /** Why a channel that somebody has begun to set up can not run. */
  problemOf: (channel: PlatformName) => string | undefined
  outbox: Map<string, OutboxCounts>
}

/** How each channel is doing, as far as it has been told. */
export class ChannelHealth {
  readonly #bus: EventBus
  readonly #states = new Map<PlatformName, AdapterState>()
  readonly #counts = new Map<PlatformName | 'web', MessageCounts>()

  constructor(bus: EventBus) {
    this.#bus = bus
  }

  count(channel: PlatformName | 'web', what: keyof MessageCounts): void {
    const counts = this.#countsOf(channel)
    counts[what] += 1
    this.#counts.set(channel, counts)
  }

  note(state: AdapterState): void {
    const known = this.#states.get(state.name)
    this.#states.set(state.name, state)
    if (known?.state === state.state && known.last_error === state.last_error) return
    this.#bus.publish('channel_state_changed', { channel: state.name, state: state.state, error: state.last_error })
  }

  /** The process that knew is gone. */
  lose(): void {
    for (const state of [...this.#states.values()]) this.note({ ...state, state: 'starting' })
  }

  /** Every channel there could be: the API itself first, then the platforms by name, then other agents. */
  statuses(known: Known): ChannelStatus[] {
    const web = this.#countsOf('web')
    return [
      { ...local('web', true), messages_received: web.received, messages_sent: web.sent },
      ...platformName.options.toSorted().map((name) => this.#statusOf(name, known)),
      { ...local('a2a', known.config.a2a.enabled), sessions_active: 0 },
    ]
  }

  #statusOf(name: PlatformName, known: Known): ChannelStatus {
    const configured = known.isConfigured(name)
    const state = configured ? this.#states.get(name) : undefined
    const { received, sent } = this.#countsOf(name)
    const { open = 0, dead = 0 } = known.outbox.get(name) ?? {}
    return {
      name,
      connected: state?.state === 'connected',
      configured,
      messages_received: received,
      messages_sent: sent,
      last_error: known.problemOf(name) ?? state?.last_error ?? null,
      last_activity: state?.last_activity ?? null,
      mode: state?.mode ?? platforms[name].modes[0] ?? 'polling',
      queue_depth: open,
      dead_letters: dead,
      capabilities: capabilitiesOf(platforms[name]),
    }
  }

  #countsOf(channel: PlatformName | 'web'): MessageCounts {
    return this.#counts.get(channel) ?? { received: 0, sent: 0 }
  }
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

function capabilitiesOf({
  markup,
  text,
  fileBytes,
  threads,
  edits,
  typing,
  buttons,
  groups,
  idempotency,
}: Platform): ChannelStatus['capabilities'] {
  const limits = { text_most: text.most, text_unit: text.unit, file_bytes: fileBytes }
  return { markup, ...limits, threads, edits, typing, buttons, groups, idempotency }
}
