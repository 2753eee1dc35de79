import type { Logger } from 'pino'
import type { ChannelUpdate, ChatAddress, MessageButton, OutboundAttachment } from '#sdk/channels/message.ts'
import type { MediaKind, PlatformName } from '#sdk/channels/platforms.ts'
import type { AdapterSettings, AdapterState } from '#sdk/services/channels.ts'

/** One message as the platform takes it: a piece of the text in its own markup, or a file. */
export interface OutboundPart extends ChatAddress {
  /** From 0 on. */
  index: number
  /** The same for this part whenever it is tried again. */
  key: string
  /** In the platform's markup. Empty for a file without a caption. */
  text: string
  /** The same without any markup, for when the platform does not take the other. */
  plain: string
  file: { delivery_id: string; index: number; about: OutboundAttachment } | null
  /** Under the last part of the text. */
  buttons: readonly MessageButton[]
  reply_to: string | null
  /** Keel's own message that this one takes the place of. */
  replaces: string | null
  subject: string | null
}

export interface MediaRequest {
  ref: string
  kind: MediaKind
  maxBytes: number
}

export interface MediaSource {
  content_type: string | null
  filename: string | null
  bytes: AsyncIterable<Uint8Array>
}

/** What an adapter may ask for. */
export interface AdapterHost {
  log: Logger
  /** How the agent is called. */
  agentName: string
  /** Hosts that media may come from although their address is private. */
  allowedHosts: readonly string[]
  /** How far the updates were taken before; null at first. */
  cursor(): Promise<string | null>
  /**
   * However many: once it resolves they are kept for good, and the platform may be told so. The cursor is kept with the
   * last of them; null leaves the one that is kept.
   */
  accept(updates: ChannelUpdate[], cursor: string | null): Promise<void>
  /** The platform has spoken: the connection stands. */
  connected(): void
  /** The bytes of a file to be sent, in pieces. */
  readFile(file: NonNullable<OutboundPart['file']>): AsyncIterable<Uint8Array>
}

/**
 * One platform. What fails is thrown as a `PlatformError` where the platform says why, and as what it is otherwise; the
 * host counts, waits and tries again. Each call ends with its signal.
 */
export interface Adapter {
  mode: AdapterState['mode']
  /** Takes updates until the signal ends it; returns or throws when the connection is lost. Webhook adapters wait. */
  receive(signal: AbortSignal): Promise<void>
  /** What a verified webhook says. Fields that are not known are passed over; what is no message is no update. */
  parse?(body: string): ChannelUpdate[] | Promise<ChannelUpdate[]>
  /** Resolves with the platform's id of the message. */
  send(part: OutboundPart, signal: AbortSignal): Promise<{ message_id: string | null }>
  draft?(
    draft: ChatAddress & { text: string; plain: string; message_id: string | null; reply_to: string | null },
    signal: AbortSignal,
  ): Promise<{ message_id: string | null }>
  typing?(chat: ChatAddress & { message_id: string | null }, signal: AbortSignal): Promise<void>
  answerPress?(press: { external_id: string; text: string }, signal: AbortSignal): Promise<void>
  fetchMedia?(media: MediaRequest, signal: AbortSignal): Promise<MediaSource>
  /** Who Keel is there. */
  check(signal: AbortSignal): Promise<{ identity: string }>
}

export type CreateAdapter<N extends PlatformName> = (settings: AdapterSettings[N], host: AdapterHost) => Adapter
