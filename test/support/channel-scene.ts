import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { Channels } from '#kernel/channels/channels.ts'
import { openConfig } from '#kernel/config/live-config.ts'
import { createEventBus } from '#kernel/events/bus.ts'
import type { InboxRow } from '#kernel/store/channel-inbox.ts'
import type { DeliveryRow } from '#kernel/store/channel-outbox.ts'
import { sql } from '#kernel/store/database.ts'
import { openStore, type Store } from '#kernel/store/store.ts'
import { openToolbox } from '#kernel/tools/toolbox.ts'
import { openInFlight } from '#kernel/turns/in-flight.ts'
import { TurnRunner } from '#kernel/turns/turn-runner.ts'
import type { ChannelUpdate, InboundMessage, InboundPress, SendOutcome } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import type { events } from '#sdk/events.ts'
import { newId } from '#sdk/ids.ts'
import type { CallContext, CallOptions, Client, Params } from '#sdk/service.ts'
import type { agentService } from '#sdk/services/agent.ts'
import type { channelsService } from '#sdk/services/channels.ts'
import { openApprovals } from './approvals.ts'
import { eventually } from './daemon.ts'
import { tempHome } from './temp-home.ts'

type Service = Client<typeof channelsService>
type SendParams = Params<(typeof channelsService)['methods']['send']>
type SendOptions = CallOptions<(typeof channelsService)['methods']['send']>
export type RunTurn = Client<typeof agentService>['run']

/** Telegram with one allowed chat, 42, and one trusted sender, 777; WhatsApp, Discord, Slack, Matrix, Signal and mail as well. */
export const channelConfig = `
[channels]
trusted_sender_ids = ["777"]
[channels.telegram]
token_env = "TG"
allowed_chat_ids = [42, -500]
webhook_secret = "hook-secret"
[channels.whatsapp]
enabled = true
token_env = "WA"
phone_number_id = "1"
app_secret = "app-secret"
verify_token = "verify-me"
allowed_numbers = ["+49 170 1234567"]
[channels.discord]
token_env = "DC"
allowed_guild_ids = ["900"]
[channels.slack]
enabled = true
token_env = "SL"
signing_secret = "slack-secret"
allowed_channel_ids = ["C0123456"]
[channels.matrix]
enabled = true
token_env = "MX"
allowed_room_ids = ["!room:example.org"]
[channels.signal]
enabled = true
phone_number = "+15550000000"
allowed_numbers = ["+15550001111"]
[channels.email]
enabled = true
username = "keel@example.org"
password_env = "MAIL"
from_address = "keel@example.org"
authserv_id = "mx.keel.example"
imap_host = "127.0.0.1"
smtp_host = "127.0.0.1"
allowed_senders = ["friend@example.org"]
`
export const channelEnv = { TG: 'tg', WA: 'wa', DC: 'dc', SL: 'sl', MX: 'mx', MAIL: 'pw' }

/** Speaks with no platform: remembers what it is asked, and does what the test says. */
export class PlainChannels implements Service {
  readonly sent: SendParams[] = []
  readonly typed: string[] = []
  readonly drafts: { text: string; message_id: string | null }[] = []
  readonly pressAnswers: string[] = []
  configured: Params<(typeof channelsService)['methods']['configure']>[] = []
  parsed = new Map<string, ChannelUpdate[]>()
  onSend: (message: SendParams, options: SendOptions) => Promise<SendOutcome> = async (message, options) => {
    await options.onChunk?.({ part: 0, parts: 1, message_id: `m-${message.delivery_id}` })
    return { status: 'sent' }
  }
  onFetch: Service['fetchMedia'] = async () => ({ content_type: null, filename: null, size_bytes: 0 })
  onParse: Service['parse'] = async ({ body }) => ({ updates: this.parsed.get(body) ?? [] })

  configure: Service['configure'] = async (settings) => {
    this.configured.push(settings)
    return null
  }
  status: Service['status'] = async () => ({ adapters: [] })
  restart: Service['restart'] = async () => null
  parse: Service['parse'] = (params, options) => this.onParse(params, options)
  send: Service['send'] = async (message, options = {}) => {
    this.sent.push(structuredClone(message))
    return this.onSend(message, options)
  }
  draft: Service['draft'] = async ({ text, message_id }) => {
    this.drafts.push({ text, message_id })
    return { message_id: message_id ?? 'draft-1' }
  }
  typing: Service['typing'] = async ({ chat_id }) => {
    this.typed.push(chat_id)
    return null
  }
  answerPress: Service['answerPress'] = async ({ text }) => {
    this.pressAnswers.push(text)
    return null
  }
  fetchMedia: Service['fetchMedia'] = (params, options) => this.onFetch(params, options)
  check: Service['check'] = async () => ({ ok: true, identity: 'bot', error: null })
}

export interface SceneOptions {
  config?: string
  env?: NodeJS.ProcessEnv
  run?: RunTurn
  /** Another kernel has left it. */
  home?: ReturnType<typeof tempHome>
  service?: PlainChannels
  opens?: boolean
}

const answers: RunTurn = async (job) => ({
  status: 'ok',
  content: `You said: ${job.input.text}`,
  reason: null,
  react_turns: 1,
})

/** The kernel's side of the channels over a real store, with a service that speaks with nobody. */
export async function channelScene({
  config: text = channelConfig,
  env = channelEnv,
  run = answers,
  home = tempHome(text),
  service = new PlainChannels(),
  opens = true,
}: SceneOptions = {}) {
  const store = openStore(home.database, {
    onFault: (thrown) => {
      throw thrown
    },
  })
  const logged: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) })
  const config = openConfig(home, {})
  const bus = createEventBus<typeof events>({ db: store.write, log })
  const seen: Record<string, unknown>[] = []
  bus.subscribe(({ text: event }) => void seen.push(JSON.parse(event)))
  const inFlight = openInFlight()
  const approvals = openApprovals(store, bus)
  const commands: string[] = []
  const channels: Channels = new Channels({
    store,
    bus,
    config,
    log,
    home,
    secrets: { get: () => undefined },
    env,
    approvals,
    inFlight,
    turns: () => turns,
    service: () => service,
    isRunning: () => true,
    answerCommand: async ({ name }) => {
      commands.push(name)
      return { content: `command ${name}` }
    },
  })
  const turns: TurnRunner = new TurnRunner({
    store,
    bus,
    config,
    log,
    agent: { run },
    approvals,
    toolbox: openToolbox([]),
    skillsFor: () => ({ active: [], index: [] }),
    version: '0.0.0',
    expectedModel: () => 'mock/test-model',
    onFinished: (outcome) => channels.noteEnd(outcome),
  })
  let isOver = false
  /** As abruptly as a kernel can end within a process. */
  async function end() {
    if (isOver) return
    isOver = true
    await turns.close(0)
    await channels.close(0)
    approvals.close()
    bus.close()
    await store.close()
  }
  onTestFinished(end)
  turns.resumeUnfinished(inFlight)
  if (opens) await channels.start({ announces: false })

  const accept = (updates: ChannelUpdate[], channel: PlatformName = 'telegram', cursor: string | null = null) =>
    channels.terms.accept({ channel, updates, cursor }, noCall) as Promise<{ accepted: number }>

  return {
    home,
    store,
    config,
    bus,
    log,
    logged,
    seen,
    eventsOf: (name: string) => seen.filter(({ type }) => type === name),
    inFlight,
    approvals,
    commands,
    channels,
    turns,
    service,
    end,
    accept,
    inbox: () => rowsOf<InboxRow>(store, 'channel_inbox'),
    outbox: () => rowsOf<DeliveryRow>(store, 'channel_outbox'),
    /** Settles when everything that came in is done with, and everything that goes out is out or given up. */
    settled: (deadlineMs = 5_000) =>
      eventually(
        'everything is done',
        () =>
          rowsOf<InboxRow>(store, 'channel_inbox').every(({ state }) => state === 'done') &&
          rowsOf<DeliveryRow>(store, 'channel_outbox').every(
            ({ status }) => status !== 'pending' && status !== 'in_flight',
          ),
        deadlineMs,
      ),
  }
}

export type ChannelScene = Awaited<ReturnType<typeof channelScene>>

const noCall = { signal: new AbortController().signal, emit: async () => {} } as unknown as CallContext<never>

export function rowsOf<T>(
  store: Pick<Store, 'read'>,
  table: 'channel_inbox' | 'channel_outbox' | 'channel_webhooks',
): T[] {
  return sql(store.read, `SELECT * FROM ${table} ORDER BY seq`).all() as T[]
}

/** A message from the allowed chat, by somebody who is nobody in particular. */
export function inbound(given: Partial<InboundMessage> = {}): InboundMessage {
  const id = newId()
  return {
    type: 'message',
    external_id: id,
    message_id: id,
    chat_id: '42',
    thread_id: null,
    chat_kind: 'direct',
    guild_id: null,
    sender_id: '42',
    sender_name: 'Ann',
    text: 'hello',
    addressed: true,
    edited: false,
    attachments: [],
    sent_at: '2030-01-01T00:00:00.000Z',
    ...given,
  }
}

export function press(value: string, given: Partial<InboundPress> = {}): InboundPress {
  return {
    type: 'press',
    external_id: newId(),
    message_id: '1',
    chat_id: '777',
    thread_id: null,
    guild_id: null,
    chat_kind: 'direct',
    sender_id: '777',
    sender_name: 'Boss',
    value,
    sent_at: '2030-01-01T00:00:00.000Z',
    ...given,
  }
}
