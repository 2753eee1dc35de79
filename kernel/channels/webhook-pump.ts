import type { Logger } from 'pino'
import type { EventBus } from '#kernel/events/bus.ts'
import { firstWebhook, postponeWebhook, takeWebhook, type WebhookRow } from '#kernel/store/channel-webhooks.ts'
import type { Store } from '#kernel/store/store.ts'
import { StoreError } from '#kernel/store/store-fault.ts'
import type { PlatformName } from '#sdk/channels/platforms.ts'
import { isErrorOf, RuntimeError, reasonOf } from '#sdk/errors.ts'
import { timestamp } from '#sdk/ids.ts'
import { redactText } from '#sdk/redact.ts'
import type { Client } from '#sdk/service.ts'
import type { channelsService } from '#sdk/services/channels.ts'
import { announceDeadLetters, keepUpdates } from './accept-updates.ts'
import { LanePump } from './lane-pump.ts'

/** A body that so many tries could not read is dropped. */
const maxAttempts = 5
/** How long it waits after its first failure, and by what factor that grows, in milliseconds. */
const backOff = { firstMs: 500, factor: 4 }
/** How long a channel waits for a service, or for an adapter, that is not there, in milliseconds. */
const absentMs = 5_000
const maxErrorCharacters = 500
/** Updates in one body. */
const maxUpdates = 1_000

interface WebhookPumpDeps {
  store: Store
  bus: EventBus
  log: Logger
  service: () => Pick<Client<typeof channelsService>, 'parse'>
  /** Updates of this channel are to be handled. */
  onUpdates: (channel: PlatformName) => void
}

type ChannelWebhook = WebhookRow & { channel: PlatformName }

/** Reads verified webhooks, in order: a body leaves its queue in the transaction that keeps what it says. */
export class WebhookPump extends LanePump<ChannelWebhook> {
  constructor(deps: WebhookPumpDeps) {
    super(
      {
        what: 'reading webhooks',
        most: 1,
        heads(channel) {
          const first = firstWebhook(deps.store.read, channel)
          return first ? [{ ...first, channel }] : []
        },
        laneOf: ({ channel }) => channel,
        dueAt: ({ not_before }) => not_before,
        work: (row, signal) => readWebhook(row, signal, deps),
      },
      deps.log,
    )
  }
}

async function readWebhook(row: ChannelWebhook, signal: AbortSignal, deps: WebhookPumpDeps): Promise<number> {
  const { store, service, onUpdates } = deps
  const { channel, seq, body } = row
  try {
    const { updates } = await service().parse({ channel, body }, { signal })
    if (updates.length > maxUpdates) throw new RuntimeError('invalid', `one webhook has ${updates.length} updates`)
    const kept = store.durable.transaction(() =>
      takeWebhook(store.durable, seq) ? keepUpdates(store.durable, channel, updates) : undefined,
    )()
    if (kept) announceDeadLetters(channel, kept, deps)
    onUpdates(channel)
    return 0
  } catch (thrown) {
    if (signal.aborted) return 0
    if (thrown instanceof StoreError) throw thrown
    // Whether it is the body that ends the service is not known before it has been tried a few times.
    if (isErrorOf(thrown, 'unavailable', 'cancelled') && thrown.cause === undefined) return absentMs
    fail(row, thrown, deps)
    return 0
  }
}

function fail({ seq, channel, attempts: before }: ChannelWebhook, thrown: unknown, deps: WebhookPumpDeps): void {
  const { store, bus, log } = deps
  const attempts = before + 1
  const error = redactText(reasonOf(thrown)).slice(0, maxErrorCharacters)
  const dropped = attempts >= maxAttempts
  if (dropped) {
    takeWebhook(store.durable, seq)
    log.error({ err: thrown, channel, attempts }, 'a webhook could not be read and was dropped')
  } else {
    const waitMs = backOff.firstMs * backOff.factor ** before
    postponeWebhook(store.write, seq, timestamp(Date.now() + waitMs), error)
    log.warn({ err: thrown, channel, attempts, retry_ms: waitMs }, 'a webhook could not be read for now')
  }
  bus.publish('channel_webhook_failed', { channel, attempts, error, dropped })
}
