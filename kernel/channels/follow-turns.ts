import type { Logger } from 'pino'
import { type InboxRow, setDraft } from '#kernel/store/channel-inbox.ts'
import type { Store } from '#kernel/store/store.ts'
import type { LiveTurn } from '#kernel/turns/live-turn.ts'
import type { InboundMessage } from '#sdk/channels/message.ts'
import { platforms } from '#sdk/channels/platforms.ts'
import type { Client } from '#sdk/service.ts'
import type { channelsService } from '#sdk/services/channels.ts'
import { outgoingText } from './outgoing-text.ts'
import { replyTo } from './reply-to.ts'

/** How often it is shown anew that an answer is being written, in milliseconds. */
const typingMs = 3_000
/** How often the beginning of an answer is shown, at the most, in milliseconds, and by how many characters it has to have grown. */
const draftMs = 1_000
const draftGrowth = 40
/** How long a draft may take, and an answer waits for one that is under way, in milliseconds. */
const draftTimeoutMs = 5_000

interface FollowDeps {
  store: Pick<Store, 'write'>
  log: Logger
  service: () => Pick<Client<typeof channelsService>, 'typing' | 'draft'>
}

/** Shows in the chat that an answer is being written, and its beginning where the platform lets a message be changed. */
export class TurnFollowers {
  readonly #deps: FollowDeps
  readonly #followed = new Map<string, FollowedTurn>()

  constructor(deps: FollowDeps) {
    this.#deps = deps
  }

  follow(row: InboxRow, message: InboundMessage, live: LiveTurn): void {
    if (!this.#followed.has(live.id)) this.#followed.set(live.id, new FollowedTurn(row, message, live, this.#deps))
  }

  /** Nothing more is shown; settles once what was on its way is, so that it can not come after the answer. */
  async end(turnId: string): Promise<void> {
    const followed = this.#followed.get(turnId)
    this.#followed.delete(turnId)
    await followed?.end()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#followed.keys()].map((id) => this.end(id)))
  }
}

class FollowedTurn {
  readonly #row: InboxRow
  readonly #message: InboundMessage
  readonly #live: LiveTurn
  readonly #deps: FollowDeps
  readonly #unlisten: () => void
  readonly #typing: NodeJS.Timeout | undefined
  #drafting: Promise<void> | undefined
  #draftTimer: NodeJS.Timeout | undefined
  #draftId: string | null
  #shown = ''
  #hasEnded = false

  constructor(row: InboxRow, message: InboundMessage, live: LiveTurn, deps: FollowDeps) {
    this.#row = row
    this.#message = message
    this.#live = live
    this.#deps = deps
    this.#draftId = row.draft_message_id
    const { typing, edits } = platforms[row.channel]
    if (typing) {
      this.#type()
      this.#typing = setInterval(() => this.#type(), typingMs).unref()
    }
    this.#unlisten = edits ? live.listen(() => this.#draftLater()) : () => {}
  }

  async end(): Promise<void> {
    this.#hasEnded = true
    this.#unlisten()
    clearInterval(this.#typing)
    clearTimeout(this.#draftTimer)
    await this.#drafting
  }

  /** While it waits for a person nothing is written. */
  #type(): void {
    if (this.#live.parked) return
    const { channel, chat_id, thread_id } = this.#row
    const { message_id } = this.#message
    this.#deps
      .service()
      .typing({ channel, chat_id, thread_id, message_id })
      .catch((err: unknown) => this.#deps.log.debug({ err, channel }, 'typing could not be shown'))
  }

  #draftLater(): void {
    if (this.#hasEnded || this.#draftTimer || this.#drafting) return
    this.#draftTimer = setTimeout(() => {
      this.#draftTimer = undefined
      this.#drafting = this.#draft().finally(() => {
        this.#drafting = undefined
      })
    }, draftMs).unref()
  }

  async #draft(): Promise<void> {
    const { store, log, service } = this.#deps
    const { id, channel, chat_id, thread_id } = this.#row
    const text = outgoingText(this.#live.text)
    const isFull = text.length > platforms[channel].text.most
    if (isFull || text.length < this.#shown.length + draftGrowth) return
    try {
      const reply_to = replyTo(channel, this.#message)
      const draft = { channel, chat_id, thread_id, text, message_id: this.#draftId, reply_to }
      const { message_id } = await service().draft(draft, { timeoutMs: draftTimeoutMs })
      this.#shown = text
      if (message_id === null || message_id === this.#draftId) return
      this.#draftId = message_id
      setDraft(store.write, id, message_id)
    } catch (err) {
      log.debug({ err, channel }, 'the beginning of an answer could not be shown')
    }
  }
}
