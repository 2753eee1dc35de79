import { setTimeout as delay, setImmediate as nextRound } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Approvals } from '#kernel/approvals/approvals.ts'
import type { LiveConfig } from '#kernel/config/live-config.ts'
import type { EventBus } from '#kernel/events/bus.ts'
import type { Home } from '#kernel/home.ts'
import type { Grant } from '#kernel/policy/authority.ts'
import type { Command } from '#kernel/policy/commands.ts'
import { grantsOf } from '#kernel/policy/grants.ts'
import { judgeSettings } from '#kernel/policy/settings.ts'
import type { SealedStore } from '#kernel/secrets/sealed-store.ts'
import { findUpdateOfTurn, listWorkingUpdates, pruneStrangers, pruneUpdates } from '#kernel/store/channel-inbox.ts'
import {
  countDeliveries,
  type DeliveryRow,
  findDelivery,
  type NewDelivery,
  resetInFlight,
} from '#kernel/store/channel-outbox.ts'
import { findPeer } from '#kernel/store/channel-peers.ts'
import type { Deliver } from '#kernel/store/cron-claims.ts'
import type { Store } from '#kernel/store/store.ts'
import { channelOfTurn } from '#kernel/store/turns.ts'
import type { Tool } from '#kernel/tools/tool.ts'
import type { NewMessage } from '#kernel/turns/accept-turn.ts'
import type { InFlight } from '#kernel/turns/in-flight.ts'
import type { TurnRunner } from '#kernel/turns/turn-runner.ts'
import { type InboundMessage, inboundMessage } from '#sdk/channels/message.ts'
import { type PlatformName, platformName, platforms } from '#sdk/channels/platforms.ts'
import type { ChannelStatus } from '#sdk/contracts/channels.ts'
import { RuntimeError, reasonOf } from '#sdk/errors.ts'
import { newId, timestamp } from '#sdk/ids.ts'
import type { Client, ServiceHandlers } from '#sdk/service.ts'
import type { AdapterState, channelsService } from '#sdk/services/channels.ts'
import type { kernelForChannels } from '#sdk/services/kernel.ts'
import { announceStart } from './announcements.ts'
import { answerEndedTurns, answerTurn } from './answer-turn.ts'
import { askPendingApprovals } from './approval-notices.ts'
import { ChannelHealth } from './channel-health.ts'
import { channelTerms } from './channel-terms.ts'
import { type Conversation, conversationText } from './conversation.ts'
import { creatorChats, destinationsOf, isKnownChat } from './destination.ts'
import { TurnFollowers } from './follow-turns.ts'
import { HeldFiles } from './held-files.ts'
import { countBusyTurns, InboxPump, turnsAtOnce } from './inbox-pump.ts'
import { Outbox } from './outbox.ts'
import { OutboxPump } from './outbox-pump.ts'
import { Pairing } from './pairing.ts'
import { sendMessageTool } from './send-message-tool.ts'
import { channelSettingsOf, type ReadChannels } from './settings.ts'
import { WebhookDoor } from './webhook-door.ts'
import { WebhookPump } from './webhook-pump.ts'

/** How long what is done with is kept, in milliseconds: the same update, or message, is known again for as long. */
const keptMs = 7 * 86_400_000
/** The same for what strangers send, who may send a lot. */
const strangersKeptMs = 3_600_000
/** How long somebody who asks how the channels are waits for the service, in milliseconds. */
const liveStatusMs = 1_000
/** How much longer than is given the end of what was cut off may take, in milliseconds. */
const lastWordMs = 250
/** Rows removed in one transaction: the event loop waits for it. */
const prunedAtOnce = 500

export interface ChannelsDeps {
  store: Store
  bus: EventBus
  config: LiveConfig
  log: Logger
  home: Pick<Home, 'root' | 'outbox'>
  secrets: Pick<SealedStore, 'get'>
  env: NodeJS.ProcessEnv
  approvals: Pick<Approvals, 'decide'>
  inFlight: InFlight
  /** There only once the kernel is. */
  turns: () => TurnRunner
  service: () => Client<typeof channelsService>
  /** Whether there is a process of the service now. */
  isRunning: () => boolean
  answerCommand: (command: Command, message: NewMessage) => Promise<{ content: string }>
}

/** The kernel's side of the chat channels: it keeps what comes in and goes out, and says who is who; the service speaks. */
export class Channels {
  readonly #deps: ChannelsDeps
  readonly #files: HeldFiles
  readonly #followers: TurnFollowers
  readonly #inboxPump: InboxPump
  readonly #outboxPump: OutboxPump
  readonly #webhookPump: WebhookPump
  readonly #health: ChannelHealth
  readonly #answering = new Set<Promise<void>>()
  readonly #unsubscribe: () => void
  #read: ReadChannels
  #isClosing = false
  readonly outbox: Outbox
  readonly pairing: Pairing
  readonly webhooks: WebhookDoor
  readonly terms: ServiceHandlers<typeof kernelForChannels>
  readonly tools: readonly Tool[]

  constructor(deps: ChannelsDeps) {
    this.#deps = deps
    const { store, bus, config, log, home } = deps
    this.#health = new ChannelHealth(bus)
    this.#read = this.#readSettings()
    this.#files = new HeldFiles(home.outbox)
    this.pairing = new Pairing({ store, bus })
    this.outbox = new Outbox({ store, bus, files: this.#files, wake: (channel) => this.#outboxPump.wake(channel) })
    this.#followers = new TurnFollowers(deps)
    const problemOf = (channel: PlatformName) => this.problemOf(channel)
    this.#outboxPump = new OutboxPump({ ...deps, problemOf, onSent: (channel) => this.#health.count(channel, 'sent') })
    this.#inboxPump = new InboxPump({
      ...deps,
      outbox: this.outbox,
      pairing: this.pairing,
      followers: this.#followers,
      grantsOf: this.#grantsOf,
      workspace: () => this.#workspace(),
      hasRoom: (channel) => countBusyTurns(channel, deps) < turnsAtOnce && this.outbox.hasRoom(channel),
      onReceived: (channel) => this.#health.count(channel, 'received'),
    })
    const onUpdates = (channel: PlatformName) => this.#inboxPump.wake(channel)
    this.#webhookPump = new WebhookPump({ ...deps, onUpdates })
    this.webhooks = new WebhookDoor({
      store,
      config,
      isConfigured: (channel) => this.isConfigured(channel),
      onKept: (channel) => this.#webhookPump.wake(channel),
    })
    this.terms = channelTerms({
      store,
      bus,
      log,
      files: this.#files,
      settings: () => this.#read.settings,
      isClosing: () => this.#isClosing,
      onUpdates,
      onState: (state) => this.#noteState(state),
    })
    this.tools = [
      sendMessageTool({
        outbox: this.outbox,
        conversationOf: (turnId) => this.conversationOf(turnId),
        isKnown: (conversation) => isKnownChat(conversation, this.#known),
        problemOf,
        hold: (deliveryId, paths) => this.#files.hold(deliveryId, paths, this.#workspace()),
        dropHeld: (deliveryId) => this.#files.remove(deliveryId),
      }),
    ]
    this.#unsubscribe = bus.subscribe(({ type, text }) => {
      if (type === 'approval_requested') this.#askApprovals()
      else if (type === 'turn_started') this.#noteStarted(JSON.parse(text))
    })
  }

  /** Takes up what an earlier kernel left, once its turns go on, and connects what is configured. */
  async start({ announces }: { announces: boolean }): Promise<void> {
    const { store, log } = this.#deps
    resetInFlight(store.write)
    await this.#files.removeOrphans((id) => findDelivery(store.read, id) !== undefined)
    for (const row of listWorkingUpdates(store.read)) {
      const running = row.turn_id === null ? undefined : this.#deps.turns().find(row.turn_id)
      if (running) this.#followers.follow(row, inboundMessage.parse(JSON.parse(row.update_json)), running.live)
    }
    for (const pump of this.#pumps) pump.open()
    this.configure()
    await answerEndedTurns(this.#answerDeps)
    this.#askApprovals()
    if (announces)
      announceStart({
        read: store.read,
        config: this.#deps.config.current(),
        log,
        outbox: this.outbox,
        isConfigured: (channel) => this.isConfigured(channel),
        startId: newId(),
      })
  }

  /** The settings have changed. The service is started where there is something for it to do. */
  configure(): void {
    const { service, isRunning, log } = this.#deps
    this.#read = this.#readSettings()
    for (const problem of this.#read.problems.values()) log.warn(problem)
    if (Object.keys(this.#read.settings.adapters).length > 0 || isRunning())
      service()
        .configure(this.#read.settings)
        .catch((err: unknown) => log.warn({ err }, 'the channels service takes its settings later'))
    for (const pump of this.#pumps) pump.release()
  }

  /** A process of the service is there, or none is any more. */
  noteService(isReady: boolean): void {
    if (isReady) for (const pump of this.#pumps) pump.release()
    else this.#health.lose()
  }

  /** A turn has ended. */
  noteEnd({ turn_id, request }: { turn_id: string; request: { channel: string } }): void {
    if (request.channel === 'web') this.#health.count('web', 'sent')
    const answering = answerTurn(turn_id, this.#answerDeps)
      .then(() => this.#inboxPump.wake())
      .catch((err) => this.#deps.log.error({ err, turn_id }, 'an answer could not be handed to its channel'))
      .finally(() => this.#answering.delete(answering))
    this.#answering.add(answering)
  }

  isConfigured(channel: string): boolean {
    return Object.hasOwn(this.#read.settings.adapters, channel)
  }

  /** Why nothing can be sent over the channel, or undefined. */
  problemOf(channel: PlatformName): string | undefined {
    if (this.isConfigured(channel)) return undefined
    return this.#read.problems.get(channel) ?? `${platforms[channel].title} is not configured`
  }

  /** Keeps a message to be sent; `unavailable` where the channel is not configured. */
  send(message: NewDelivery): DeliveryRow {
    const problem = this.problemOf(message.channel)
    if (problem !== undefined) throw new RuntimeError('unavailable', problem)
    return this.outbox.queue(message).row
  }

  /** Who Keel is on the platform; what is wrong is an answer as well. */
  async check(channel: PlatformName): Promise<{ ok: boolean; identity: string | null; error: string | null }> {
    const problem = this.problemOf(channel)
    if (problem !== undefined) return { ok: false, identity: null, error: problem }
    return this.#deps
      .service()
      .check({ channel })
      .catch((thrown: unknown) => ({ ok: false, identity: null, error: reasonOf(thrown) }))
  }

  /** Ends the channel's adapter and starts it anew; `unavailable` where it is not configured. */
  async restart(channel: PlatformName): Promise<void> {
    const problem = this.problemOf(channel)
    if (problem !== undefined) throw new RuntimeError('unavailable', problem)
    await this.#deps.service().restart({ channel })
  }

  /** As the service tells it now; as it has last told it where it does not answer. */
  async liveStatus(): Promise<ChannelStatus[]> {
    const { service, isRunning, log } = this.#deps
    if (isRunning())
      try {
        const { adapters } = await service().status({}, { timeoutMs: liveStatusMs })
        for (const state of adapters) this.#noteState(state)
      } catch (err) {
        log.debug({ err }, 'the channels service does not say how it is')
      }
    return this.status()
  }

  status(): ChannelStatus[] {
    return this.#health.statuses({
      config: this.#deps.config.current(),
      isConfigured: (channel) => this.isConfigured(channel),
      problemOf: (channel) => this.#read.problems.get(channel),
      outbox: countDeliveries(this.#deps.store.read),
    })
  }

  /** Where what a turn says is heard. */
  conversationOf(turnId: string): Conversation | undefined {
    return findUpdateOfTurn(this.#deps.store.read, turnId)
  }

  /** The same as a job's `delivery_channel`. */
  destinationOf = (turnId: string): string | null => {
    const conversation = this.conversationOf(turnId)
    return conversation === undefined ? null : conversationText(conversation)
  }

  /** The dashboard hears of a run by its event, so nothing is kept for it. */
  deliver: Deliver = ({ channel, text, key }, db) => {
    if (channel === 'web') return null
    const chats = destinationsOf(channel, this.#known)
    if (typeof chats === 'string') return chats
    const problem = chats[0] && this.problemOf(chats[0].channel)
    if (problem !== undefined) return problem
    if (text.trim() === '') return null
    for (const chat of chats) this.outbox.put(db, { ...chat, text, key: `cron:${key}:${conversationText(chat)}` })
    return null
  }

  /** Now and then: forgets what was done long ago, and looks whether anything was left behind. */
  tidy(): void {
    const { log } = this.#deps
    this.#prune().catch((err) => log.warn({ err }, 'what was done with long ago could not be removed'))
    answerEndedTurns(this.#answerDeps).catch((err) => log.warn({ err }, 'answers wait to be handed to their channels'))
    this.#askApprovals()
  }

  /** Takes nothing more; what is under way may end within `graceMs`, and the rest waits for the next kernel. */
  async close(graceMs: number): Promise<void> {
    this.#isClosing = true
    this.#unsubscribe()
    const closing = [...this.#pumps.map((pump) => pump.close(graceMs)), this.#followers.close(), ...this.#answering]
    await Promise.race([Promise.all(closing), delay(graceMs + lastWordMs, undefined, { ref: false })])
    this.outbox.close()
  }

  async #prune(): Promise<void> {
    const { write } = this.#deps.store
    const before = timestamp(Date.now() - keptMs)
    const strangersBefore = timestamp(Date.now() - strangersKeptMs)
    while (!this.#isClosing && pruneStrangers(write, strangersBefore, prunedAtOnce) === prunedAtOnce) await nextRound()
    while (!this.#isClosing && pruneUpdates(write, before, prunedAtOnce) === prunedAtOnce) await nextRound()
    while (!this.#isClosing && (await this.outbox.prune(before, prunedAtOnce)) === prunedAtOnce) await nextRound()
  }

  get #pumps() {
    return [this.#webhookPump, this.#inboxPump, this.#outboxPump] as const
  }

  get #answerDeps() {
    const { store, log } = this.#deps
    return { store, log, outbox: this.outbox, followers: this.#followers }
  }

  get #known() {
    return { read: this.#deps.store.read, settings: this.#deps.config.current() }
  }

  #readSettings(): ReadChannels {
    const { config, secrets, env } = this.#deps
    return channelSettingsOf(config.current(), { secrets, env })
  }

  #grantsOf = (
    channel: PlatformName,
    { sender_id, chat_id, guild_id }: Pick<InboundMessage, 'sender_id' | 'chat_id' | 'guild_id'>,
  ): Grant[] => {
    const sender = { platform: channel, sender_id, chat_id, guild_id: guild_id ?? undefined }
    const paired = findPeer(this.#deps.store.read, channel, sender_id)?.authority
    return grantsOf({ via: 'channel', sender, paired }, this.#deps.config.current())
  }

  #workspace() {
    const { config, home } = this.#deps
    const { multimodal } = config.current()
    const { policy } = judgeSettings(config.current(), home.root)
    return {
      root: policy.workspace,
      rules: { allowed: policy.allowed_paths, protectedPatterns: policy.protected_patterns },
      maxBytes: {
        image: multimodal.max_image_size_bytes,
        audio: multimodal.max_audio_size_bytes,
        video: multimodal.max_video_size_bytes,
        document: multimodal.max_document_size_bytes,
      },
    }
  }

  #askApprovals(): void {
    const { store, log } = this.#deps
    try {
      askPendingApprovals({
        store,
        log,
        outbox: this.outbox,
        grantsOf: this.#grantsOf,
        creatorChats: (channel) => creatorChats(channel, this.#known),
      })
    } catch (err) {
      log.warn({ err }, 'nobody could be asked for an approval over a channel')
    }
  }

  #noteStarted({ turn_id }: { turn_id: string }): void {
    if (channelOfTurn(this.#deps.store.read, turn_id) === 'web') this.#health.count('web', 'received')
  }

  #noteState(state: AdapterState): void {
    this.#health.note(state)
    if (state.state === 'connected') this.#webhookPump.release()
  }
}

/** The channel of this name; `not_found` where there is none. */
export function loadChannel(name: string): PlatformName {
  const known = platformName.safeParse(name)
  if (!known.success) throw new RuntimeError('not_found', `channel '${name}' not found`)
  return known.data
}
