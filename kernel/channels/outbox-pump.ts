import type { Logger } from 'pino'
import type { EventBus } from '#kernel/events/bus.ts'
import {
  beginDelivery,
  completeDelivery,
  type DeliveryRow,
  findDelivery,
  killDelivery,
  listDeliveryHeads,
  recordPart,
  retryDelivery,
} from '#kernel/store/channel-outbox.ts'
import type { Store } from '#kernel/store/store.ts'
import { endedUnderCall } from '#kernel/supervisor/supervised-service.ts'
import { inTrace } from '#kernel/turns/turn-trace.ts'
import type { MessageButton, OutboundAttachment, SendOutcome } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { isErrorOf, reasonOf } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import { jitter } from '#sdk/jitter.ts'
import { redactText } from '#sdk/redact.ts'
import type { Client } from '#sdk/service.ts'
import type { channelsService } from '#sdk/services/channels.ts'
import type { SpanStart } from '#sdk/telemetry/span.ts'
import { conversationKey } from './conversation.ts'
import { LanePump } from './lane-pump.ts'

/** Conversations of one channel that are sent to at once. */
const conversationsAtOnce = 4
/** How long a message waits after its first failure, its second and so on, in milliseconds. */
export const backOffMs = [1_000, 5_000, 30_000, 300_000, 900_000] as const
/** By how much of itself a wait that a platform has asked for is longer at the most. */
const maxLateness = 0.2
/** The longest wait that a platform may ask for, in milliseconds. */
const longestWaitMs = 86_400_000
/** How long a channel waits for a service that is not there, in milliseconds; less where it is told to be back. */
const absentMs = 5_000
/**
 * A message under which processes die one after the other without a part of it sent waits `firstMs` each time, after `few`
 * of them twice as long each time, up to `mostMs`, and after `most`, most of an hour later, is sent no more.
 */
export const deaths = { firstMs: 250, few: 10, mostMs: 60_000, most: 50 } as const
/** How long what a platform has taken waits to be on record while the database takes no writes, in milliseconds. */
const storeWaitMs = 30_000
const maxErrorCharacters = 1_024

export interface OutboxPumpDeps {
  store: Store
  bus: EventBus
  log: Logger
  service: () => Pick<Client<typeof channelsService>, 'send'>
  /** Why the channel can not send now, or undefined. */
  problemOf: (channel: PlatformName) => string | undefined
  onSent: (channel: PlatformName) => void
  random?: () => number
}

/** Sends what is in the outbox: in order and one at a time for each conversation, and part by part on record. */
export class OutboxPump extends LanePump<DeliveryRow> {
  constructor(deps: OutboxPumpDeps) {
    const sender = new Sender(deps)
    super(
      {
        what: 'sending',
        most: conversationsAtOnce,
        heads: (channel) => listDeliveryHeads(deps.store.read, channel),
        laneOf: conversationKey,
        dueAt: ({ next_retry_at }) => next_retry_at,
        work: (row, signal) =>
          inTrace(deps.store.read, row.turn_id, `send ${row.channel}`, sendStart(row), () => sender.send(row, signal)),
      },
      deps.log,
    )
  }
}

class Sender {
  readonly #deps: OutboxPumpDeps
  readonly #deaths = new Map<string, number>()

  constructor(deps: OutboxPumpDeps) {
    this.#deps = deps
  }

  /** One try; returns how long the channel waits. */
  async send(row: DeliveryRow, signal: AbortSignal): Promise<number> {
    const { store } = this.#deps
    if (!beginDelivery(store.write, row.id)) return 0
    try {
      const outcome = await this.#outcomeOf(row, signal)
      await store.insist(() => this.#record(row, outcome), storeWaitMs, signal)
      this.#deaths.delete(row.id)
      return 0
    } catch (thrown) {
      // What was under way when Keel stops goes on after the next start.
      if (signal.aborted) return 0
      return this.#interrupted(row, thrown)
    }
  }

  async #outcomeOf(row: DeliveryRow, signal: AbortSignal): Promise<SendOutcome> {
    const { store, service, problemOf } = this.#deps
    const problem = problemOf(row.channel)
    if (problem !== undefined) return { status: 'retry', error: problem, code: null, retry_after_ms: null }
    try {
      return await service().send(messageOf(row), {
        signal,
        onChunk: ({ part, message_id }) =>
          store.insist(() => recordPart(store.write, row.id, part + 1, message_id), storeWaitMs, signal),
      })
    } catch (thrown) {
      if (signal.aborted || isErrorOf(thrown, 'unavailable', 'cancelled', 'outcome_unknown')) throw thrown
      return { status: 'retry', error: reasonOf(thrown), code: null, retry_after_ms: null }
    }
  }

  /** Nothing is known to be wrong with the message: its process died, or there was none. */
  #interrupted(row: DeliveryRow, thrown: unknown): number {
    const { store, log } = this.#deps
    const error = reasonOf(thrown)
    const hasDied = isErrorOf(thrown, 'outcome_unknown') || endedUnderCall(thrown)
    const died = hasDied ? this.#countDeath(row) : 0
    const again = { attempts: row.attempts, error: shown(error), code: row.error_code }
    if (died >= deaths.most) {
      this.#deaths.delete(row.id)
      this.#bury(row, { ...again, error: `${died} processes died while it was sent`, code: 'process_died' })
      return 0
    }
    log.debug({ err: thrown, delivery_id: row.id, channel: row.channel }, 'sending is tried again')
    const waitMs = hasDied ? Math.min(deaths.mostMs, deaths.firstMs * 2 ** Math.max(0, died - deaths.few)) : 0
    retryDelivery(store.write, row.id, { ...again, next_retry_at: timestamp(Date.now() + waitMs) })
    return hasDied ? 0 : absentMs
  }

  #countDeath(row: DeliveryRow): number {
    const died = this.#hasAdvanced(row) ? 1 : (this.#deaths.get(row.id) ?? 0) + 1
    this.#deaths.set(row.id, died)
    return died
  }

  #record(row: DeliveryRow, outcome: SendOutcome): void {
    const { store, bus, onSent } = this.#deps
    const { id, channel, chat_id, session_id } = row
    switch (outcome.status) {
      case 'sent':
        completeDelivery(store.write, id)
        onSent(channel)
        bus.publish('delivery_sent', { id, channel, attempts: row.attempts + 1 })
        bus.publish('channel_message', {
          channel,
          direction: 'out',
          chat_id,
          ...(session_id !== null && { session_id }),
        })
        break
      case 'retry':
        this.#retry(row, outcome)
        break
      case 'failed':
        this.#bury(row, { attempts: row.attempts + 1, error: shown(outcome.error), code: outcome.code })
    }
  }

  #retry(row: DeliveryRow, { error, code, retry_after_ms }: Extract<SendOutcome, { status: 'retry' }>): void {
    const { store, bus, log } = this.#deps
    // To wait as it is told is no failure of the message, and neither is a try that has sent some of it.
    const isCounted = retry_after_ms === null && !this.#hasAdvanced(row)
    const attempts = row.attempts + (isCounted ? 1 : 0)
    if (attempts >= row.max_attempts) {
      this.#bury(row, { attempts, error: shown(error), code })
      return
    }
    const waitMs = this.#waitMs(attempts, retry_after_ms)
    const next_retry_at = timestamp(Date.now() + waitMs)
    retryDelivery(store.write, row.id, { attempts, error: shown(error), code, next_retry_at })
    log.warn(
      { delivery_id: row.id, channel: row.channel, attempts, wait_ms: waitMs, error: shown(error) },
      'not sent yet',
    )
    bus.publish('delivery_failed', { id: row.id, channel: row.channel, attempts, error: shown(error) })
  }

  #hasAdvanced({ id, parts_sent }: DeliveryRow): boolean {
    return (findDelivery(this.#deps.store.read, id)?.parts_sent ?? 0) > parts_sent
  }

  /** Never shorter than the platform has asked for. */
  #waitMs(attempts: number, retryAfterMs: number | null): number {
    const { random = Math.random } = this.#deps
    if (retryAfterMs !== null) return Math.min(longestWaitMs, retryAfterMs * (1 + maxLateness * random()))
    const base = backOffMs[Math.min(Math.max(attempts, 1), backOffMs.length) - 1] ?? 0
    return base * jitter(random)
  }

  #bury(row: DeliveryRow, failure: Parameters<typeof killDelivery>[2]): void {
    const { store, bus, log } = this.#deps
    const { id, channel } = row
    killDelivery(store.durable, id, failure)
    log.error({ delivery_id: id, channel, ...failure }, 'a message can not be sent and is a dead letter')
    bus.publish('dead_letter', { id, channel, attempts: failure.attempts, error: failure.error })
  }
}

function sendStart({ channel, attempts }: DeliveryRow): SpanStart {
  const attributes = {
    'messaging.system': channel,
    'messaging.operation.type': 'send',
    'keel.delivery.attempt': attempts + 1,
  }
  return { kind: 'producer', attributes }
}

function shown(error: string): string {
  return redactText(error).slice(0, maxErrorCharacters)
}

function messageOf(row: DeliveryRow) {
  return {
    channel: row.channel,
    chat_id: row.chat_id,
    thread_id: row.thread_id,
    delivery_id: row.id,
    idempotency_key: row.idempotency_key,
    text: row.content,
    reply_to: row.reply_to,
    replaces: row.replaces,
    attachments: JSON.parse(row.attachments_json) as OutboundAttachment[],
    buttons: JSON.parse(row.buttons_json) as MessageButton[],
    parts_sent: row.parts_sent,
    subject: row.subject,
  }
}
