import type { Logger } from 'pino'
import type { EventBus } from '#kernel/events/bus.ts'
import { countWaitingUpdates, findWaitingMessage, insertUpdate, replaceUpdate } from '#kernel/store/channel-inbox.ts'
import { findDeliveryOfMessage, forgetParts, killDelivery } from '#kernel/store/channel-outbox.ts'
import type { WritableDb } from '#kernel/store/database.ts'
import { type ChannelUpdate, type DeliveryReceipt, type InboundMessage, inboundMessage } from '#sdk/channels/message.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { RuntimeError } from '#sdk/errors.ts'
import { redactText } from '#sdk/redact.ts'

/** Updates of one channel that may wait to be handled. */
export const maxWaitingUpdates = 10_000

/** What has happened, to be told once it is kept. */
export interface AcceptedUpdates {
  accepted: number
  deadLetters: { id: string; attempts: number; error: string }[]
}

/**
 * Keeps each update once, as part of a transaction. An edit takes the place of the message it changes while that is still
 * to be handled. `unavailable` where too many wait: the platform, or the adapter, brings them again.
 */
export function keepUpdates(db: WritableDb, channel: PlatformName, updates: readonly ChannelUpdate[]): AcceptedUpdates {
  if (countWaitingUpdates(db, channel) + updates.length > maxWaitingUpdates)
    throw new RuntimeError('unavailable', `${maxWaitingUpdates} updates of ${channel} wait to be handled already`, {
      retry_after_seconds: 5,
    })
  const all: AcceptedUpdates = { accepted: 0, deadLetters: [] }
  for (const update of updates) {
    if (update.type === 'receipt') {
      const dead = noteReceipt(db, channel, update)
      if (dead) all.deadLetters.push(dead)
    } else if (update.type === 'message' && update.edited) keepEdit(db, channel, update)
    else if (insertUpdate(db, channel, update)) all.accepted += 1
  }
  return all
}

function keepEdit(db: WritableDb, channel: PlatformName, edit: InboundMessage): void {
  const waiting = edit.message_id === null ? undefined : findWaitingMessage(db, channel, edit)
  if (!insertUpdate(db, channel, edit, waiting ? 'in place of what it changes' : 'changes what was handled')) return
  if (!waiting) return
  const original = inboundMessage.parse(JSON.parse(waiting.update_json))
  replaceUpdate(db, waiting.id, { ...edit, external_id: original.external_id, edited: false })
}

/** That a message has arrived is of no consequence; that it has not, although the platform had taken it, is. */
function noteReceipt(
  db: WritableDb,
  channel: PlatformName,
  { message_id, status, error }: DeliveryReceipt,
): AcceptedUpdates['deadLetters'][number] | undefined {
  const delivery = status === 'failed' ? findDeliveryOfMessage(db, channel, message_id) : undefined
  if (delivery?.status !== 'delivered') return undefined
  const { id, attempts } = delivery
  const why = redactText(error ?? 'the platform could not deliver it')
  killDelivery(db, id, { attempts, error: why, code: 'not_delivered' })
  forgetParts(db, id)
  return { id, attempts, error: why }
}

export function announceDeadLetters(
  channel: PlatformName,
  { deadLetters }: AcceptedUpdates,
  { bus, log }: { bus: EventBus; log: Logger },
): void {
  for (const dead of deadLetters) {
    log.error({ delivery_id: dead.id, channel, error: dead.error }, 'a message did not arrive and is a dead letter')
    bus.publish('dead_letter', { channel, ...dead })
  }
}
