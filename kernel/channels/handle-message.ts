import type { LiveConfig } from '#kernel/config/live-config.ts'
import type { EventBus } from '#kernel/events/bus.ts'
import type { Grant } from '#kernel/policy/authority.ts'
import { type Command, parseCommand } from '#kernel/policy/commands.ts'
import { scanInput } from '#kernel/policy/threat.ts'
import { type InboxRow, markWorking, strangerReason } from '#kernel/store/channel-inbox.ts'
import type { Store } from '#kernel/store/store.ts'
import { StoreError } from '#kernel/store/store-fault.ts'
import { acceptTurn, maxMessageBytes, type NewMessage } from '#kernel/turns/accept-turn.ts'
import type { InFlight } from '#kernel/turns/in-flight.ts'
import type { TurnRunner } from '#kernel/turns/turn-runner.ts'
import type { InboundMessage } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { isErrorOf, RuntimeError } from '#sdk/errors.ts'
import type { TurnFollowers } from './follow-turns.ts'
import { Pairing } from './pairing.ts'
import { type MediaDeps, takeMedia } from './take-media.ts'

/** How long a message waits for other turns to end, in milliseconds. */
const roomMs = 1_000

const tooLongReply = `Your message is too long: at most ${maxMessageBytes} bytes can be taken at once.`
const unsafeReply =
  'I can not take that message: it looks like an attempt to change how I work. Please put it differently.'

/** What has become of a message; `waits` is no failure of it. */
export type Handled =
  | { kind: 'ignored'; reason: string }
  | { kind: 'replied'; text: string; reason: string | null }
  | { kind: 'pairing' }
  | { kind: 'working' }
  | { kind: 'waits'; ms: number }

export interface MessageDeps extends MediaDeps {
  store: Store
  bus: EventBus
  config: LiveConfig
  inFlight: InFlight
  turns: () => TurnRunner
  followers: TurnFollowers
  /** What vouches for whoever wrote. */
  grantsOf: (channel: PlatformName, sender: Pick<InboundMessage, 'sender_id' | 'chat_id' | 'guild_id'>) => Grant[]
  answerCommand: (command: Command, message: NewMessage) => Promise<{ content: string }>
  /** Whether another turn of the channel, and what it will say, can be taken. */
  hasRoom: (channel: PlatformName) => boolean
  onReceived: (channel: PlatformName) => void
}

/** One message of a person: nobody's is passed over, a command is answered, and anything else begins a turn. */
export async function handleMessage(
  row: InboxRow,
  message: InboundMessage,
  { signal, isLastTry }: { signal: AbortSignal; isLastTry: boolean },
  deps: MessageDeps,
): Promise<Handled> {
  const { channel } = row
  if (Pairing.isAttempt(message)) return { kind: 'pairing' }
  const grants = deps.grantsOf(channel, message)
  if (grants.length === 0) return ignored(strangerReason)
  if (!message.addressed) return ignored('not addressed')
  const text = message.text.trim()
  if (text === '' && message.attachments.length === 0) return ignored('blank')
  if (row.attempts === 0) tellReceived(row, deps)
  if (Buffer.byteLength(text) > maxMessageBytes) return replied(tooLongReply, 'too long')
  const wanted = newMessage(channel, message, grants)
  const command = message.attachments.length === 0 ? parseCommand(text) : null
  if (command) return replied((await deps.answerCommand(command, { ...wanted, content: text })).content, null)
  if (scanInput(text).verdict === 'blocked') return replied(unsafeReply, 'blocked')
  if (!deps.hasRoom(channel)) return { kind: 'waits', ms: roomMs }
  const lines = await takeMedia(channel, message.attachments, { signal, isLastTry }, deps)
  const content = [text, ...lines].filter((line) => line !== '').join('\n')
  return begin(row, message, { ...wanted, content }, deps)
}

/** The turn and that it is this update's are stored together, so that no kernel begins it again. */
function begin(row: InboxRow, message: InboundMessage, wanted: NewMessage, deps: MessageDeps): Handled {
  const { store, bus, config, inFlight, turns, followers } = deps
  try {
    const { live } = acceptTurn(wanted, {
      store,
      bus,
      config: config.current(),
      inFlight,
      turns: turns(),
      alongside(turn, db) {
        if (!markWorking(db, row, turn)) throw new RuntimeError('conflict', 'the message has changed meanwhile')
      },
    })
    followers.follow(row, message, live)
    return { kind: 'working' }
  } catch (thrown) {
    if (isErrorOf(thrown, 'rate_limited')) return ignored('the same is being answered')
    if (isErrorOf(thrown, 'too_large')) return replied(tooLongReply, 'too long')
    if (isErrorOf(thrown, 'forbidden')) return replied(unsafeReply, 'blocked')
    // As it is now it is handled next.
    if (isErrorOf(thrown, 'conflict')) return { kind: 'waits', ms: 0 }
    if (isErrorOf(thrown, 'unavailable') && !(thrown instanceof StoreError)) return { kind: 'waits', ms: roomMs }
    throw thrown
  }
}

function newMessage(channel: PlatformName, message: InboundMessage, grants: Grant[]): NewMessage {
  const { sender_id, chat_id, chat_kind, text } = message
  const isGroup = chat_kind === 'group'
  return {
    content: text,
    channel,
    peer_id: sender_id,
    ...(isGroup && { group_id: chat_id }),
    is_group: isGroup,
    grants,
    streamed: false,
  }
}

function tellReceived({ channel, chat_id }: InboxRow, { bus, onReceived }: MessageDeps): void {
  onReceived(channel)
  bus.publish('channel_message', { channel, direction: 'in', chat_id })
}

function ignored(reason: string): Handled {
  return { kind: 'ignored', reason }
}

function replied(text: string, reason: string | null): Handled {
  return { kind: 'replied', text, reason }
}
