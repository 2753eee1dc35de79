import { hash, randomInt } from 'node:crypto'
import type { EventBus } from '#kernel/events/bus.ts'
import { WindowCounter } from '#kernel/http/window-counter.ts'
import {
  countPairingCodes,
  insertPairingCode,
  type PeerRow,
  savePeer,
  takePairingCode,
} from '#kernel/store/channel-peers.ts'
import type { WritableDb } from '#kernel/store/database.ts'
import type { Store } from '#kernel/store/store.ts'
import type { InboundMessage } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import type { Authority } from '#sdk/services/agent.ts'

/** Characters that nobody takes for another. */
const alphabet = '23456789ABCDEFGHJKMNPQRSTUVWXYZ'
const codeLength = 8
const codeMs = 900_000
export const maxOpenCodes = 20
/** Wrong codes within an hour, by one sender and on one channel, after which there is no answer to any. */
const maxWrong = { bySender: 5, onChannel: 50 }
const windowMs = 3_600_000
const maxSenders = 10_000

const pattern = /^\/pair(?:@\w{1,64})?\s+(\S{1,64})$/i

interface PairingDeps {
  store: Store
  bus: EventBus
}

/** Codes that the operator gives to people, and with which they show a channel who they are. */
export class Pairing {
  readonly #deps: PairingDeps
  readonly #now: () => number
  readonly #wrongBySender = new WindowCounter(maxSenders)
  readonly #wrongOnChannel = new WindowCounter(maxSenders)
  #windowEnd = 0

  constructor(deps: PairingDeps, now: () => number = Date.now) {
    this.#deps = deps
    this.#now = now
  }

  /** A code that is shown here alone: kept as a digest, good for one person, for a quarter of an hour. */
  createCode(channel: PlatformName, authority: Authority): { code: string; expires_at: string } {
    const { durable } = this.#deps.store
    const code = Array.from({ length: codeLength }, () => alphabet[randomInt(alphabet.length)]).join('')
    const expires_at = timestamp(Date.now() + codeMs)
    durable.transaction(() => {
      if (countPairingCodes(durable) >= maxOpenCodes)
        throw new RuntimeError(
          'conflict',
          `${maxOpenCodes} pairing codes are open; they end after a quarter of an hour`,
        )
      insertPairingCode(durable, { code_hash: digestOf(code), channel, authority, expires_at })
    })()
    return { code, expires_at }
  }

  /** Whether the message shows a code, to Keel alone: in a group everybody would see it. */
  static isAttempt({ text, chat_kind }: Pick<InboundMessage, 'text' | 'chat_kind'>): boolean {
    return chat_kind === 'direct' && pattern.test(text.trim())
  }

  /** As part of the transaction that answers: the peer, `wrong`, or `silent` where too many were wrong before. */
  redeem(channel: PlatformName, message: InboundMessage, db: WritableDb): PeerRow | 'wrong' | 'silent' {
    const [, shown = ''] = pattern.exec(message.text.trim()) ?? []
    if (this.#isSilent(channel, message.sender_id)) return 'silent'
    const code = takePairingCode(db, channel, digestOf(shown.toUpperCase()))
    if (!code) return 'wrong'
    const { sender_id, sender_name, chat_id } = message
    return savePeer(db, { channel, sender_id, sender_name, chat_id, authority: code.authority })
  }

  announce({ channel, id, sender_id }: PeerRow): void {
    this.#deps.bus.publish('channel_peer_paired', { channel, peer_id: id, sender_id })
  }

  noteWrong(channel: PlatformName, senderId: string): void {
    this.#wrongOnChannel.take(channel, maxWrong.onChannel)
    this.#wrongBySender.take(senderKey(channel, senderId), maxWrong.bySender)
  }

  #isSilent(channel: PlatformName, senderId: string): boolean {
    if (this.#now() >= this.#windowEnd) {
      this.#windowEnd = this.#now() + windowMs
      this.#wrongBySender.clear()
      this.#wrongOnChannel.clear()
    }
    return (
      !this.#wrongOnChannel.hasRoom(channel, maxWrong.onChannel) ||
      !this.#wrongBySender.hasRoom(senderKey(channel, senderId), maxWrong.bySender)
    )
  }
}

function senderKey(channel: PlatformName, senderId: string): string {
  return `${channel} ${senderId}`
}

function digestOf(code: string): string {
  return hash('sha256', code)
}
