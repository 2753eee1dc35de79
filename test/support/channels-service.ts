import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { ChannelUpdate, OutboundMessage } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { memoryChannelPair } from '#sdk/rpc/memory-channel.ts'
import { Peer } from '#sdk/rpc/peer.ts'
import type { Client, ServiceHandlers } from '#sdk/service.ts'
import { type AdapterState, type ChannelSettings, channelsService } from '#sdk/services/channels.ts'
import { kernelForChannels } from '#sdk/services/kernel.ts'
import { createChannels } from '../../services/channels/channels.ts'
import { type ChannelTimes, channelTimes } from '../../services/channels/times.ts'
import { eventually } from './daemon.ts'
import { type Oddity, oddModules } from './platforms/odd-adapter.ts'

/** The same patience, in the time of a test. */
export const quickTimes: ChannelTimes = {
  ...channelTimes,
  partMs: 400,
  sendMs: 2_000,
  heartbeatMs: 300,
  drainMs: 1_500,
  restart: { firstMs: 50, mostMs: 400 },
  reconnect: { firstMs: 20, mostMs: 100 },
  breaker: { firstMs: 400, mostMs: 800 },
  offer: { firstMs: 10, mostMs: 50 },
}

export type Oddities = Partial<Record<'telegram' | 'whatsapp' | 'discord' | 'signal', Oddity>>

export interface ChannelsScene {
  client: Client<typeof channelsService>
  /** What the kernel was told of the adapters, in order. */
  reports: AdapterState[]
  accepted: { channel: PlatformName; updates: ChannelUpdate[]; cursor: string | null }[]
  /** Lines of the service's log. */
  lines: string[]
  configure(oddities: Oddities, agentName?: string): Promise<void>
  state(name: PlatformName): Promise<AdapterState | undefined>
  untilState(name: PlatformName, state: AdapterState['state']): Promise<AdapterState>
}

/** The channels service with odd adapters on real threads, and a kernel that keeps what it hears. */
export async function openChannels(
  oddities: Oddities,
  {
    times = {},
    kernel = {},
  }: { times?: Partial<ChannelTimes>; kernel?: Partial<ServiceHandlers<typeof kernelForChannels>> } = {},
): Promise<ChannelsScene> {
  const [near, far] = memoryChannelPair()
  const service = new Peer(far)
  const peer = new Peer(near)
  const reports: AdapterState[] = []
  const accepted: ChannelsScene['accepted'] = []
  const lines: string[] = []
  peer.serve(kernelForChannels, {
    start: () => settingsOf(oddities),
    cursor: () => ({ cursor: null }),
    accept(batch) {
      accepted.push(batch)
      return { accepted: batch.updates.length }
    },
    readAttachment: () => ({ data: '' }),
    reportAdapter(state) {
      reports.push(state)
      return null
    },
    ...kernel,
  })
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) })
  const setup = await createChannels(service.connect(kernelForChannels), log, {
    modules: oddModules,
    times: { ...quickTimes, ...times },
  })
  service.serve(channelsService, setup.handlers)
  onTestFinished(async () => {
    await setup.close?.()
    peer.close()
  })
  const client = peer.connect(channelsService)
  const state = async (name: PlatformName) => (await client.status({})).adapters.find((one) => one.name === name)
  return {
    client,
    reports,
    accepted,
    lines,
    state,
    async configure(next, agentName) {
      await client.configure(settingsOf(next, agentName))
    },
    async untilState(name, wanted) {
      let last: AdapterState | undefined
      await eventually(
        `${name} is ${wanted}`,
        async () => {
          last = await state(name)
          return last?.state === wanted
        },
        15_000,
      )
      return last as AdapterState
    },
  }
}

function settingsOf({ telegram, whatsapp, discord, signal }: Oddities, agent_name = 'Keel'): ChannelSettings {
  const token = 'a-token-of-no-known-shape'
  return {
    allowed_hosts: [],
    agent_name,
    adapters: {
      ...(telegram && {
        telegram: {
          token,
          api_url: telegram,
          mode: 'polling' as const,
          poll_timeout_seconds: 30,
          webhook_url: null,
          webhook_secret: null,
        },
      }),
      ...(whatsapp && { whatsapp: { token, api_url: whatsapp, phone_number_id: '1' } }),
      ...(discord && { discord: { token, api_url: discord, application_id: '1' } }),
      ...(signal && { signal: { phone_number: '+100', daemon_url: signal } }),
    },
  }
}

/** A message to be sent; fields given replace the usual ones. */
export function outboundMessage(fields: Partial<OutboundMessage> = {}): OutboundMessage {
  return {
    chat_id: 'chat',
    thread_id: null,
    delivery_id: 'delivery',
    idempotency_key: 'key',
    text: 'Hello',
    reply_to: null,
    replaces: null,
    attachments: [],
    buttons: [],
    parts_sent: 0,
    subject: null,
    ...fields,
  }
}
